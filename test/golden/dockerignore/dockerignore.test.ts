/**
 * `.dockerignore` files and what of one tree is then not sent. Where the docker CLI is there, it must send the same files:
 * the expected ones are its own. Cases whose name begins with `BuildKit` are those where its walk does not look into a
 * left out directory for exceptions with wildcards, while BuildKit does, and the rules say so.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { readTarMembers } from '../../../src/archive/tar-members.ts';
import { toText } from '../../../src/archive/byte-string.ts';
import { openContext } from '../../../src/cli/build/context.ts';
import { startFakeBuilder } from '../../support/fake-builder.ts';
import { run } from '../../support/command.ts';

const HERE = import.meta.dir;
const read = (name: string) => readFileSync(join(HERE, name), 'utf8');
const cases = read('cases.txt')
  .split(/^## /m)
  .slice(1)
  .map((text) => ({ name: text.slice(0, text.indexOf('\n')), rules: text.slice(text.indexOf('\n') + 1) }));

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'tare-ignore-'));
  for (const path of read('tree.txt').split('\n')) {
    if (path === '') continue;
    mkdirSync(join(root, path.endsWith('/') ? path : dirname(path)), { recursive: true });
    if (!path.endsWith('/')) writeFileSync(join(root, path), '');
  }
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

async function namesOf(tar: AsyncIterable<Uint8Array>): Promise<string[]> {
  const names: string[] = [];
  for await (const { entry } of readTarMembers(tar)) names.push(toText(entry.name));
  return names.sort();
}

async function sent(rules: string): Promise<string[]> {
  writeFileSync(join(root, '.dockerignore'), rules);
  return await namesOf((await openContext(root, '')).body!);
}

/** The names that are missing from those that are sent without rules; the message of a failure. */
async function leftOut(rules: string): Promise<string[]> {
  const all = await sent('');
  try {
    const some = new Set(await sent(rules));
    return all.filter((name) => !some.has(name));
  } catch (error) {
    return [`ERROR ${(error as Error).message}`];
  }
}

const actual: string[] = [];
const blockOf = (name: string, names: readonly string[]) => [`## ${name}`, ...names, ''].join('\n');
const expectedBlocks = () => read('expected.txt').split(/^(?=## )/m);

test.each(cases.map(({ name, rules }, index) => [name, rules, index] as const))(
  '%s',
  async (name, rules, index) => {
    actual[index] = blockOf(name, await leftOut(rules));
    // UPDATE_GOLDEN=1 writes what it makes now; look at the difference before you commit it.
    if (!process.env.UPDATE_GOLDEN) expect(actual[index]).toBe(expectedBlocks()[index]!);
  },
);

test('nothing more is expected', () => {
  if (process.env.UPDATE_GOLDEN) writeFileSync(join(HERE, 'expected.txt'), actual.join(''));
  expect(cases.length).toBeGreaterThan(90);
  expect(expectedBlocks().length).toBe(cases.length);
});

test.skipIf(Bun.which('docker') === null)(
  'the docker CLI sends the same files',
  async () => {
    await using builder = startFakeBuilder();
    const blocks = expectedBlocks();
    const all = await sent('');
    const isFile = (one: string) => !one.endsWith('/');
    for (const [index, { name, rules }] of cases.entries()) {
      if (name.startsWith('BuildKit')) continue;
      writeFileSync(join(root, '.dockerignore'), rules);
      const { code, stderr } = await run(['docker', '-H', builder.address, 'build', root], {
        env: { DOCKER_BUILDKIT: '0', DOCKER_CONFIG: builder.folder },
      });
      const [, ...expected] = blocks[index]!.trimEnd().split('\n');
      if (code !== 0) {
        expect([name, ...expected]).toEqual([name, `ERROR ${stderr.trim().split('\n').at(-1)}`]);
        continue;
      }
      const { body } = builder.builds.at(-1)!;
      async function* tar() {
        // Docker's client may end its tar with one block of zeros only.
        yield* [body, new Uint8Array(1024)];
      }
      const some = new Set(await namesOf(tar()));
      const missing = all.filter((one) => isFile(one) && !some.has(one));
      expect([name, ...missing]).toEqual([name, ...expected.filter(isFile)]);
    }
  },
  120_000,
);
