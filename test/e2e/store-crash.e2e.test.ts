/** `kill -9` of the daemon while images come and go: after each start `system check` finds nothing. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { FakeRegistry } from '../support/fake-registry.ts';
import { tarBytes } from '../support/tar-bytes.ts';

const ROUNDS = 6;
const SEED = Number(process.env.TARE_TEST_SEED ?? Date.now() % 1_000_000);

let daemon: TestDaemon;
let registry: FakeRegistry;
beforeAll(async () => {
  registry = await FakeRegistry.start();
  daemon = await startDaemon();
}, 120_000);
afterAll(async () => {
  await daemon?.stop();
  await registry?.[Symbol.asyncDispose]();
}, 120_000);

/** The same numbers for the same seed. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
}

function layer(name: string, size: number, random: () => number): Uint8Array {
  const content = new Uint8Array(size).map(() => random() * 256);
  return tarBytes([
    { name, content },
    { name: `${name}.d/`, type: '5' },
  ]);
}

/** What goes on all the time; each ends with whatever the daemon's death makes of it. */
function workers(files: { small: string; archive: string }): ReadonlyArray<() => Promise<unknown>> {
  const tare = (...args: string[]): Promise<unknown> => daemon.tare(...args);
  const of = (name: string): string => `${registry.host}/crash:${name}`;
  return [
    async () => {
      await tare('pull', of('one'));
      await tare('rmi', of('one'));
    },
    async () => {
      await tare('pull', of('two'));
      await tare('run', '--rm', of('two'), '/none');
      await tare('rmi', '-f', of('two'));
    },
    async () => {
      await tare('load', '-i', files.archive);
      await tare('rmi', 'loaded:1');
    },
    async () => {
      await tare('import', files.small, 'imported:1');
      await tare('image', 'prune', '-f');
    },
    async () => {
      await tare('create', '--name', 'c', 'busybox', 'true');
      await tare('commit', 'c', 'committed:1');
      await tare('rm', 'c');
      await tare('rmi', 'committed:1');
    },
  ];
}

test(`${ROUNDS} times, at any moment (seed ${SEED})`, async () => {
  const random = numbers(SEED);
  const shared = layer('shared', 3_000_000, random);
  registry.image('crash', 'one', [shared, layer('one', 500_000, random)]);
  registry.image('crash', 'two', [shared, layer('two', 700_000, random)]);
  const folder = join(daemon.root, 'crash');
  mkdirSync(folder);
  const files = { small: join(folder, 'small.tar'), archive: join(folder, 'archive.tar') };
  writeFileSync(files.small, layer('small', 400_000, random));
  await daemon.ok('tare', ['import', files.small, 'loaded:1']);
  await daemon.ok('tare', ['save', '-o', files.archive, 'loaded:1']);
  await daemon.ok('tare', ['rmi', 'loaded:1']);

  for (let round = 0; round < ROUNDS; round++) {
    let ended = false;
    const running = workers(files).map(async (work) => {
      while (!ended) {
        await work();
        await Bun.sleep(random() * 20);
      }
    });
    await Bun.sleep(200 + random() * 1500);
    await daemon.kill9();
    ended = true;
    await Promise.all(running);
    await daemon.start();
    const { code, stdout } = await daemon.tare('system', 'check');
    expect(`${code} ${stdout}`).toBe('0 nothing wrong\n');
    for (const path of ['erofs/ingest', 'overlay/ingest']) {
      expect(namesIn(join(daemon.dataRoot, path))).toEqual([]);
    }
    // What is whole can be used: each image is saved, which reads all of its layers.
    const images = await daemon.ok('tare', ['images', '-q', '--no-trunc']);
    for (const id of new Set(images.split('\n'))) {
      await must(daemon.argvOf('tare', ['save', '-o', '/dev/null', id]), { env: daemon.env() });
    }
  }
}, 300_000);

function namesIn(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}
