/** The rows about images: pull, push, save, load, the store's size. */
import { rmSync } from 'node:fs';
import { must, run } from '../test/support/command.ts';
import type { RunningRegistry } from '../test/support/docker-registry.ts';
import { type Engine, memory, timed } from './engine.ts';
import { emptyRoot, filledRegistry, REGISTRY, startRegistry } from './image-registry.ts';
import { SAMPLE, SAMPLE_BASE, sampleArchive } from './sample-image.ts';
import { median, type Workload } from './workloads.ts';

const REMOTE = `${REGISTRY}/${SAMPLE}`;
const REMOTE_BASE = `${REGISTRY}/${SAMPLE_BASE}`;
const registries = new Map<Engine, RunningRegistry>();

async function openRegistry(engine: Engine): Promise<void> {
  registries.set(engine, await startRegistry(await filledRegistry(engine.inside), engine.inside));
}

/** Takes what was pulled from it away, too. */
async function closeRegistry(engine: Engine): Promise<void> {
  await forget(engine, REMOTE, REMOTE_BASE);
  await registries.get(engine)?.stop();
  registries.delete(engine);
}

async function forget(engine: Engine, ...names: string[]): Promise<void> {
  for (const name of names) await run(engine.argv(['rmi', '-f', name]), { env: engine.env });
  // What earlier work still has to write to the disk is not this row's.
  await must(['sync']);
}

const once = async (engine: Engine, ...args: string[]): Promise<number> =>
  (await timed(engine, args)).milliseconds;

/** Bytes on the disk below the engine's data root. */
async function storeSize(engine: Engine): Promise<number> {
  return Number((await must(['du', '-s', '-B1', '--one-file-system', engine.store])).split('\t')[0]);
}

export const IMAGE_WORKLOADS: readonly Workload[] = [
  {
    id: 'pull',
    title: '`pull`, 2 layers, 275 MB unpacked, from loopback',
    target: '<= 0.35x',
    unit: 'ms',
    runs: 5,
    needsDaemon: true,
    prepare: openRegistry,
    measure: async (engine) => {
      await forget(engine, REMOTE);
      return once(engine, 'pull', '-q', REMOTE);
    },
    finish: closeRegistry,
  },
  {
    id: 'pull-rest',
    title: 'the same when the lower layer is there',
    target: '<= 0.30x',
    unit: 'ms',
    runs: 5,
    needsDaemon: true,
    prepare: async (engine) => {
      await openRegistry(engine);
      await once(engine, 'pull', '-q', REMOTE_BASE);
    },
    measure: async (engine) => {
      await forget(engine, REMOTE);
      return once(engine, 'pull', '-q', REMOTE);
    },
    finish: closeRegistry,
  },
  {
    id: 'push',
    title: '`push` of the same, made here, to an empty registry',
    target: '<= 0.40x',
    unit: 'ms',
    runs: 3,
    needsDaemon: true,
    prepare: async (engine) => {
      await once(engine, 'load', '-q', '-i', await sampleArchive());
      await once(engine, 'tag', SAMPLE, REMOTE);
    },
    measure: async (engine) => {
      const root = emptyRoot();
      const registry = await startRegistry(root, engine.inside);
      try {
        await must(['sync']);
        return await once(engine, 'push', '-q', REMOTE);
      } finally {
        await registry.stop();
        rmSync(root, { recursive: true, force: true });
      }
    },
    finish: (engine) => forget(engine, REMOTE, SAMPLE, SAMPLE_BASE),
  },
  {
    id: 'save',
    title: '`save` of it to a file',
    target: '<= 0.20x',
    unit: 'ms',
    runs: 3,
    needsDaemon: true,
    prepare: async (engine) => void (await once(engine, 'load', '-q', '-i', await sampleArchive())),
    measure: async (engine) => {
      const file = `${engine.store}/saved.tar`;
      await must(['sync']);
      try {
        return await once(engine, 'save', '-o', file, SAMPLE);
      } finally {
        rmSync(file, { force: true });
      }
    },
    finish: (engine) => forget(engine, SAMPLE, SAMPLE_BASE),
  },
  {
    id: 'load',
    title: '`load` of that file into an empty store',
    target: '<= 0.30x',
    unit: 'ms',
    runs: 5,
    needsDaemon: true,
    measure: async (engine) => {
      await forget(engine, SAMPLE, SAMPLE_BASE);
      return once(engine, 'load', '-q', '-i', await sampleArchive());
    },
    finish: (engine) => forget(engine, SAMPLE, SAMPLE_BASE),
  },
  {
    id: 'first-run',
    title: 'first `run` after a pull, against a warm one',
    target: '<= 1.3x',
    unit: 'x',
    runs: 5,
    tareOnly: true,
    needsDaemon: true,
    prepare: openRegistry,
    measure: async (engine, note) => {
      await forget(engine, REMOTE);
      await once(engine, 'pull', '-q', REMOTE);
      const start = () => once(engine, 'run', '--rm', REMOTE, 'true');
      const first = await start();
      const warm: number[] = [];
      for (let i = 0; i < 7; i++) warm.push(await start());
      note(`${first.toFixed(0)} and ${median(warm).toFixed(0)} ms`);
      return first / median(warm);
    },
    finish: closeRegistry,
  },
  {
    id: 'pull-memory',
    title: 'most memory of the daemon during a `pull`, above rest (RSS)',
    target: '<= 80 MB for a 2 GB layer',
    unit: 'MB',
    runs: 1,
    needsDaemon: true,
    prepare: openRegistry,
    measure: async (engine) => {
      await forget(engine, REMOTE);
      await Bun.sleep(8_000);
      const pids = engine.daemonPids();
      const rest = memory(pids, 'Rss');
      let most = 0;
      const timer = setInterval(() => {
        most = Math.max(most, memory(engine.daemonPids(), 'Rss'));
      }, 25);
      await once(engine, 'pull', '-q', REMOTE);
      clearInterval(timer);
      return (most - rest) / 1e6;
    },
    finish: closeRegistry,
  },
  {
    id: 'disk',
    title: 'disk of the pulled image, against `du` of its extracted tree',
    target: '<= 1.55x',
    unit: 'x',
    runs: 1,
    needsDaemon: true,
    prepare: openRegistry,
    measure: async (engine) => {
      await forget(engine, REMOTE);
      const before = await storeSize(engine);
      await once(engine, 'pull', '-q', REMOTE);
      await must(['sync']);
      return ((await storeSize(engine)) - before) / (await extractedSize());
    },
    finish: closeRegistry,
  },
];

/** `du` of the sample's layers, extracted by GNU tar, in bytes. */
async function extractedSize(): Promise<number> {
  const root = emptyRoot();
  const script = `cd "$1" && for layer in layer0.tar layer1.tar; do tar -xOf "$2" $layer | tar -xpf - ; done; du -s -B1 .`;
  const output = await must(['bash', '-euc', script, 'bench', root, await sampleArchive()], {
    timeout: 120_000,
  });
  rmSync(root, { recursive: true, force: true });
  return Number(output.split('\t')[0]);
}
