/**
 * Builds the one program, `dist/tare`: client, daemon, and the files that run in Workers, compiled with their
 * bytecode. A client's start evaluates only what its command imports.
 */
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Glob } from 'bun';

const ROOT = resolve(import.meta.dir, '..');
const OUTPUT = join(ROOT, 'dist/tare');

/** The short commit that the sources lie at, `unknown` outside of a repository and on a machine without git. */
function commit(): string {
  if (Bun.which('git') === null) return 'unknown';
  const git = Bun.spawnSync(['git', 'rev-parse', '--short=7', 'HEAD'], { cwd: ROOT, stderr: 'ignore' });
  return git.success ? git.stdout.toString().trim() : 'unknown';
}

/** Files that run in a Worker end with `-worker.ts`; each must be an entry of its own to be found at run time. */
function workers(): string[] {
  return [...new Glob('src/**/*-worker.ts').scanSync({ cwd: ROOT })].sort();
}

async function build(): Promise<void> {
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  // Replaced by renaming: a program that runs can't be written to, and nobody finds half a file.
  const partial = `${OUTPUT}.${process.pid}`;
  const result = await Bun.build({
    entrypoints: ['src/main.ts', ...workers()].map((path) => join(ROOT, path)),
    root: join(ROOT, 'src'),
    target: 'bun',
    format: 'esm',
    bytecode: true,
    // Chunks of their own for what is imported when it is needed: a client reads 6 ms less of them at its start.
    splitting: true,
    minify: { whitespace: true, syntax: true, identifiers: false },
    define: {
      TARE_BUILD_COMMIT: JSON.stringify(commit()),
      TARE_BUILD_TIME: JSON.stringify(new Date().toISOString()),
    },
    compile: { outfile: partial, autoloadDotenv: false, autoloadBunfig: false },
    throw: true,
  });
  for (const log of result.logs) console.error(String(log));
  renameSync(partial, OUTPUT);
  rmSync(partial, { force: true });
}

await build();
