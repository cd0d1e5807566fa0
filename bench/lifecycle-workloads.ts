/** Rows about containers that are there already: starting and stopping one, listing many, holding many. */
import { type Engine, memory, timed } from './engine.ts';
import type { Workload } from './workloads.ts';

const HANDLER = 'trap "exit 0" TERM; while :; do sleep 0.02; done';
const ONE = 'lasting';
const MANY = 1000;
const RUNNING = 300;
/** Client processes at a time while many are made. */
const AT_ONCE = 4;

/** Runs a client command `count` times; gives what they printed. */
async function repeat(engine: Engine, count: number, args: readonly string[]): Promise<string[]> {
  const printed: string[] = [];
  let left = count;
  const worker = async () => {
    while (left-- > 0) printed.push((await timed(engine, args)).stdout);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return printed;
}

async function remove(engine: Engine, ids: readonly string[]): Promise<void> {
  const now = engine.name.startsWith('podman') ? ['-t', '0'] : [];
  for (let from = 0; from < ids.length; from += 100) {
    await timed(engine, ['rm', '-f', ...now, ...ids.slice(from, from + 100)]);
  }
}

const made = new Map<Engine, string[]>();

export const LIFECYCLE_WORKLOADS: readonly Workload[] = [
  {
    id: 'start',
    title: '`start` of a stopped container',
    target: '<= 0.2x',
    unit: 'ms',
    runs: 11,
    prepare: async (engine) =>
      void (await timed(engine, ['create', '--name', ONE, 'busybox', 'sleep', '1000'])),
    measure: async (engine) => {
      const { milliseconds } = await timed(engine, ['start', ONE]);
      await timed(engine, ['kill', ONE]);
      // podman's kill does not wait for the end.
      await timed(engine, ['wait', ONE]);
      return milliseconds;
    },
    finish: (engine) => remove(engine, [ONE]),
  },
  {
    id: 'stop',
    title: '`stop` of a container that handles SIGTERM',
    target: '<= 0.3x',
    unit: 'ms',
    runs: 11,
    prepare: async (engine) =>
      void (await timed(engine, ['create', '--name', ONE, 'busybox', 'sh', '-c', HANDLER])),
    measure: async (engine) => {
      await timed(engine, ['start', ONE]);
      // Long enough for the shell to have its handler.
      await Bun.sleep(500);
      return (await timed(engine, ['stop', ONE])).milliseconds;
    },
    finish: (engine) => remove(engine, [ONE]),
  },
  {
    id: 'ps',
    title: `\`ps -a\` with ${MANY} containers`,
    target: '<= 0.7x',
    unit: 'ms',
    runs: 11,
    prepare: async (engine) =>
      void made.set(engine, await repeat(engine, MANY, ['create', 'busybox', 'true'])),
    measure: async (engine) => (await timed(engine, ['ps', '-a'])).milliseconds,
    finish: (engine) => remove(engine, made.get(engine) ?? []),
  },
  {
    id: 'memory-300',
    title: `daemon with ${RUNNING} running, RSS`,
    target: '<= 120 MB',
    unit: 'MB',
    runs: 1,
    tareOnly: true,
    needsDaemon: true,
    prepare: async (engine) =>
      void made.set(engine, await repeat(engine, RUNNING, ['run', '-d', 'busybox', 'sleep', '100000'])),
    measure: async (engine) => {
      // At rest: what the burst of starts needed is given back by then.
      await Bun.sleep(10_000);
      return memory(engine.daemonPids(), 'Rss') / 1e6;
    },
    finish: (engine) => remove(engine, made.get(engine) ?? []),
  },
];
