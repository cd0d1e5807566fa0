/**
 * Makes the images of recipes.ts with the engine itself: runs Debian, installs packages, commits, saves.
 * The result is kept as a docker-archive, so that the next test run only loads it.
 *
 * `bun scripts/images/make-app-image.ts NAME...` does so with the `tare` on the PATH (or `TARE_BINARY`) and the
 * daemon that `TARE_HOST` names, and prints the archives' paths.
 */
import { must } from '../../test/support/command.ts';
import { cached } from './cache.ts';
import { debianTar } from './debian-image.ts';
import { type AppName, RECIPES, type Recipe } from './recipes.ts';

/** Runs the client with these arguments, throws when it fails, and gives its stdout. */
export type Client = (args: readonly string[]) => Promise<string>;

/** The Debian image the recipes start from. */
export const DEBIAN_IMAGE = 'debian:bookworm';

/** Makes sure that the daemon has `debian:bookworm`. */
export async function haveDebian(client: Client): Promise<void> {
  if (await hasImage(client, DEBIAN_IMAGE)) return;
  await client(['import', '--change', 'CMD ["bash"]', await debianTar(), DEBIAN_IMAGE]);
}

/** Makes sure that the daemon has `name:latest`: from the cache, else by making it, which takes a minute. */
export async function haveApp(name: AppName, client: Client): Promise<void> {
  if (await hasImage(client, `${name}:latest`)) return;
  const archive = await appArchive(name, client);
  // Making it has left it in this daemon, unless it came from the cache.
  if (!(await hasImage(client, `${name}:latest`))) await client(['load', '-i', archive]);
}

/** Path of the image's docker-archive in the cache. */
export async function appArchive(name: AppName, client: Client): Promise<string> {
  const recipe = RECIPES[name];
  return cached(`${name}.tar`, JSON.stringify(recipe), (target) => makeApp(name, recipe, client, target));
}

async function makeApp(name: AppName, recipe: Recipe, client: Client, target: string): Promise<void> {
  await haveDebian(client);
  const container = `make-${name}-${process.pid}`;
  try {
    await client(['run', '--name', container, DEBIAN_IMAGE, 'sh', '-euxc', recipe.script]);
    const changes = recipe.changes.flatMap((change) => ['--change', change]);
    await client(['commit', ...changes, container, `${name}:latest`]);
    await client(['save', '-o', target, `${name}:latest`]);
  } finally {
    await client(['rm', '-f', '-v', container]);
  }
}

async function hasImage(client: Client, reference: string): Promise<boolean> {
  return (await client(['image', 'ls', '-q', reference])).trim() !== '';
}

if (import.meta.main) {
  const program = process.env.TARE_BINARY ?? 'tare';
  const client: Client = (args) => must([program, ...args], { timeout: 900_000 });
  for (const name of process.argv.slice(2)) {
    if (!Object.hasOwn(RECIPES, name)) {
      process.stderr.write(`no recipe for ${name}; there are: ${Object.keys(RECIPES).join(', ')}\n`);
      process.exit(2);
    }
    process.stdout.write(`${await appArchive(name as AppName, client)}\n`);
  }
}
