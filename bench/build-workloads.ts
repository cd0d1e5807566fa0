/** The rows about building images. dockerd builds with BuildKit; what its classic builder takes is a note. */
import { existsSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dockerPlugin } from '../scripts/images/docker-plugin.ts';
import { must, run } from '../test/support/command.ts';
import { type Engine, memory } from './engine.ts';
import type { Workload } from './workloads.ts';

const FOLDERS = 100;
const FILES_EACH = 100;
/** Bytes: 302 MB in all. */
const FILE = 30_200;
/** Between two looks at the daemon's memory, in milliseconds. */
const LOOK = 50;

type Builder = 'own' | 'buildkit' | 'classic';

const folder = (engine: Engine, name: string): string => join(engine.store, '..', `build-${name}`);

function write(engine: Engine, name: string, lines: readonly string[]): void {
  mkdirSync(folder(engine, name), { recursive: true });
  writeFileSync(join(folder(engine, name), 'Dockerfile'), `${lines.join('\n')}\n`);
}

function writeFiles(engine: Engine): void {
  write(engine, 'copy', ['FROM busybox', 'COPY . /app']);
  const bytes = new Uint8Array(FILE);
  for (let at = 0; at < FOLDERS; at++) {
    const path = join(folder(engine, 'copy'), `d${at}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < FILES_EACH; file++) {
      writeFileSync(join(path, `f${file}`), crypto.getRandomValues(bytes));
    }
  }
}

async function usePlugin(engine: Engine): Promise<void> {
  const config = engine.env.DOCKER_CONFIG;
  if (config === undefined) return;
  const plugins = join(config, 'cli-plugins');
  mkdirSync(plugins, { recursive: true });
  const link = join(plugins, 'docker-buildx');
  if (!existsSync(link)) symlinkSync(await dockerPlugin('docker-buildx'), link);
}

/** One build, in milliseconds. */
async function build(
  engine: Engine,
  name: string,
  builder: Builder,
  args: readonly string[] = [],
): Promise<number> {
  const env = {
    ...engine.env,
    ...(builder !== 'own' && { DOCKER_BUILDKIT: builder === 'classic' ? '0' : '1' }),
  };
  const begin = performance.now();
  const { code, stderr } = await run(engine.argv(['build', '-q', ...args, folder(engine, name)]), {
    env,
    timeout: 600_000,
  });
  const milliseconds = performance.now() - begin;
  if (code !== 0)
    throw new Error(`${engine.name} (${builder}): build of ${name} ended with ${code}: ${stderr}`);
  return milliseconds;
}

const isDocker = (engine: Engine): boolean => engine.name.startsWith('dockerd');
const builderOf = (engine: Engine): Builder => (isDocker(engine) ? 'buildkit' : 'own');

/** The engine's own builder; of dockerd BuildKit, and the classic one for the note. */
async function both(
  engine: Engine,
  note: (text: string) => void,
  measure: (builder: Builder) => Promise<number>,
): Promise<number> {
  const value = await measure(builderOf(engine));
  if (isDocker(engine)) note(`classic builder ${((await measure('classic')) / 1000).toFixed(2)} s`);
  return value;
}

/** Nothing that was built before is found again, and no context is there. */
async function forget(engine: Engine): Promise<void> {
  await run(engine.argv(['builder', 'prune', '-af']), { env: engine.env, timeout: 120_000 });
  await run(engine.argv(['image', 'prune', '-f']), { env: engine.env, timeout: 120_000 });
  await must(['sync']);
}

async function finish(engine: Engine): Promise<void> {
  await forget(engine);
  for (const name of ['run', 'copy', 'stages', 'chain']) {
    rmSync(folder(engine, name), { recursive: true, force: true });
  }
}

const twenty = Array.from({ length: 20 }, (_, index) => `RUN echo ${index} > /f${index}`);

/** 900 steps of configuration and 100 layers, in turn. */
const thousand = Array.from({ length: 1000 }, (_, index) =>
  index % 10 === 9 ? `RUN echo ${index} > /f${index}` : `LABEL l${index}=${index}`,
);

const common = { unit: 'ms', needsDaemon: true, finish } as const;

async function prepareRuns(engine: Engine): Promise<void> {
  await usePlugin(engine);
  write(engine, 'run', ['FROM busybox', ...twenty]);
}

async function prepareCopy(engine: Engine): Promise<void> {
  await usePlugin(engine);
  writeFiles(engine);
}

/** The most that the daemon has above what it had at rest while `body` runs, in MB. */
async function peakMemory(engine: Engine, body: () => Promise<unknown>): Promise<number> {
  const rest = memory(engine.daemonPids(), 'Rss');
  let most = rest;
  const look = setInterval(() => {
    most = Math.max(most, memory(engine.daemonPids(), 'Rss'));
  }, LOOK);
  try {
    await body();
  } finally {
    clearInterval(look);
  }
  return (most - rest) / 1e6;
}

export const BUILD_WORKLOADS: readonly Workload[] = [
  {
    ...common,
    id: 'build-run',
    title: '`build`, 20 trivial RUN steps, no cache',
    target: '<= 0.15x',
    runs: 3,
    prepare: prepareRuns,
    measure: (engine, note) => both(engine, note, (builder) => build(engine, 'run', builder, ['--no-cache'])),
  },
  {
    ...common,
    id: 'build-cached',
    title: 'the same, all cached',
    target: '<= 0.4x classic',
    runs: 5,
    prepare: async (engine) => {
      await prepareRuns(engine);
      await both(
        engine,
        () => {},
        (builder) => build(engine, 'run', builder),
      );
    },
    measure: (engine, note) => both(engine, note, (builder) => build(engine, 'run', builder)),
  },
  {
    ...common,
    id: 'build-copy',
    title: '`build`, COPY of 10,000 files, 302 MB, cold',
    target: '<= 0.25x',
    runs: 3,
    prepare: prepareCopy,
    measure: (engine, note) =>
      both(engine, note, async (builder) => {
        await forget(engine);
        return await build(engine, 'copy', builder);
      }),
  },
  {
    ...common,
    id: 'build-copy-same',
    title: 'the same, nothing changed',
    target: '<= 0.4x',
    runs: 3,
    prepare: async (engine) => {
      await prepareCopy(engine);
      await both(
        engine,
        () => {},
        (builder) => build(engine, 'copy', builder),
      );
    },
    measure: (engine, note) => both(engine, note, (builder) => build(engine, 'copy', builder)),
  },
  {
    ...common,
    id: 'build-copy-one',
    title: 'the same, one file changed',
    target: '<= 0.4x',
    runs: 3,
    prepare: async (engine) => {
      await prepareCopy(engine);
      await build(engine, 'copy', builderOf(engine));
    },
    measure: (engine) => {
      writeFileSync(join(folder(engine, 'copy'), 'd7', 'f7'), crypto.randomUUID());
      return build(engine, 'copy', builderOf(engine));
    },
  },
  {
    ...common,
    id: 'build-stages',
    title: '`build`, two stages of `sleep 5` that do not need each other',
    target: '<= 5.3 s',
    runs: 1,
    prepare: async (engine) => {
      await usePlugin(engine);
      write(engine, 'stages', [
        ...['FROM busybox AS a', 'RUN sleep 5; echo > /a', 'FROM busybox AS b', 'RUN sleep 5; echo > /b'],
        ...['FROM busybox', 'COPY --from=a /a /a', 'COPY --from=b /b /b'],
      ]);
    },
    measure: (engine, note) =>
      both(engine, note, (builder) => build(engine, 'stages', builder, ['--no-cache'])),
  },
  {
    ...common,
    id: 'build-chain',
    title: '`build`, chain of 1,000 steps (100 of them layers), cached, each step',
    target: '<= 2 ms',
    runs: 3,
    tareOnly: true,
    prepare: async (engine) => {
      write(engine, 'chain', ['FROM busybox', ...thousand]);
      await build(engine, 'chain', 'own');
    },
    measure: async (engine) => (await build(engine, 'chain', 'own')) / thousand.length,
  },
  {
    ...common,
    id: 'build-memory',
    title: 'daemon memory in the COPY build, above rest',
    target: '<= 100 MB',
    unit: 'MB',
    runs: 1,
    prepare: prepareCopy,
    measure: async (engine) => {
      await forget(engine);
      return await peakMemory(engine, () => build(engine, 'copy', builderOf(engine)));
    },
  },
];
