/** The rows of the table: what is measured, on which engines, and what is to be reached. */
import { readFileSync } from 'node:fs';
import { until } from '../test/support/command.ts';
import { removeAll } from './daemon.ts';
import { type Engine, memory, timed } from './engine.ts';

export type Unit = 'ms' | 'MB' | 'x' | '/s' | 'Gbit/s';

export interface Workload {
  /** For `--only`. */
  readonly id: string;
  readonly title: string;
  /** Against dockerd in the same run, or of its own kind; in words. */
  readonly target: string;
  readonly unit: Unit;
  /** Measurements of each engine, taken in turn. */
  readonly runs: number;
  /** Only this project's engine; the others would take many minutes for it. */
  readonly tareOnly?: boolean;
  readonly needsDaemon?: boolean;
  prepare?(engine: Engine): Promise<void>;
  /** One measurement, in the row's unit (MB: 10^6 bytes). */
  measure(engine: Engine, note: (text: string) => void): Promise<number>;
  finish?(engine: Engine): Promise<void>;
}

const IDLE = ['busybox', 'sleep', '100000'];
const HELD = 'held';

const once =
  (...args: string[]) =>
  async (engine: Engine) =>
    (await timed(engine, args)).milliseconds;

async function remove(engine: Engine, names: readonly string[]): Promise<number> {
  const now = engine.name.startsWith('podman') ? ['-t', '0'] : [];
  return (await timed(engine, ['rm', '-f', ...now, ...names])).milliseconds;
}

async function startMany(
  engine: Engine,
  count: number,
  atOnce: number,
): Promise<{ ids: string[]; milliseconds: number }> {
  const begin = performance.now();
  const ids: string[] = [];
  let left = count;
  const worker = async () => {
    while (left-- > 0) ids.push((await timed(engine, ['run', '-d', ...IDLE])).stdout);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
  return { ids, milliseconds: performance.now() - begin };
}

export const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

export const WORKLOADS: readonly Workload[] = [
  {
    id: 'run',
    title: '`run --rm busybox true`, default bridge',
    target: '<= 0.18x, <= 1.5x floor',
    unit: 'ms',
    runs: 15,
    measure: once('run', '--rm', 'busybox', 'true'),
  },
  {
    id: 'run-none',
    title: 'the same with `--net none`',
    target: '<= 0.18x, <= 1.4x floor',
    unit: 'ms',
    runs: 15,
    measure: once('run', '--rm', '--net', 'none', 'busybox', 'true'),
  },
  {
    id: 'exec',
    title: '`exec` of `true`',
    target: '<= 0.35x',
    unit: 'ms',
    runs: 21,
    prepare: async (engine) => void (await timed(engine, ['run', '-d', '--name', HELD, ...IDLE])),
    measure: once('exec', HELD, 'true'),
    finish: async (engine) => void (await remove(engine, [HELD])),
  },
  {
    id: 'client',
    title: 'client start (`version`)',
    target: '<= 0.45x',
    unit: 'ms',
    runs: 31,
    measure: once('version'),
  },
  {
    id: 'sequence',
    title: '50 x `run -d`, one after another',
    target: '<= 0.18x',
    unit: 'ms',
    runs: 1,
    measure: async (engine) => {
      const { ids, milliseconds } = await startMany(engine, 50, 1);
      await remove(engine, ids);
      return milliseconds;
    },
  },
  {
    id: 'at-once',
    title: '20 x `run -d` at once',
    target: '<= 0.20x',
    unit: 'ms',
    runs: 3,
    measure: async (engine) => {
      const { ids, milliseconds } = await startMany(engine, 20, 20);
      await remove(engine, ids);
      return milliseconds;
    },
  },
  {
    id: 'remove',
    title: '`rm -f` of 50 running',
    target: '<= 0.25x',
    unit: 'ms',
    runs: 1,
    measure: async (engine) => remove(engine, (await startMany(engine, 50, 4)).ids),
  },
  {
    id: 'stats',
    title: '`stats --no-stream` of 50 running',
    target: '<= 0.5x',
    unit: 'ms',
    runs: 5,
    needsDaemon: true,
    prepare: async (engine) => void (await startMany(engine, 50, 4)),
    measure: async (engine) => {
      const { milliseconds, stdout } = await timed(engine, ['stats', '--no-stream']);
      const rows = stdout.split('\n').filter((line) => /^[0-9a-f]{12} .*%/.test(line)).length;
      if (rows !== 50) throw new Error(`${rows} rows instead of 50`);
      return milliseconds;
    },
    finish: async (engine) => removeAll(engine),
  },
  {
    id: 'rest',
    title: 'daemon at rest, RSS',
    target: '<= 70 MB',
    unit: 'MB',
    runs: 1,
    needsDaemon: true,
    measure: async (engine, note) => {
      // At rest: what a burst of work needed is given back by then.
      await Bun.sleep(10_000);
      const pids = engine.daemonPids();
      note(`${pids.length} processes`);
      return memory(pids, 'Rss') / 1e6;
    },
  },
  {
    id: 'helpers',
    title: 'one more running container, PSS of all its helpers',
    target: '<= 3 MB',
    unit: 'MB',
    runs: 1,
    measure: async (engine, note) => {
      const count = 10;
      const { ids } = await startMany(engine, count, 2);
      // Short-lived ones (the runtime that just made it) end first.
      await until('only monitors are left', () => engine.helperPids().length <= count, 10_000).catch(
        () => undefined,
      );
      const pids = engine.helperPids();
      const bytes = memory(pids, 'Pss');
      await remove(engine, ids);
      note(`mean of ${count}, ${pids.length / count} processes each`);
      return bytes / count / 1e6;
    },
  },
  {
    id: 'crowd',
    title: '`run` with 300 running, against `run` with none',
    target: '<= 1.25x; 1 mount each',
    unit: 'x',
    runs: 1,
    tareOnly: true,
    needsDaemon: true,
    measure: async (engine, note) => {
      const daemon = engine.daemonPids()[0]!;
      const mounts = () => readFileSync(`/proc/${daemon}/mountinfo`, 'utf8').split('\n').length;
      const run = once('run', '--rm', 'busybox', 'true');
      const sample = async () => {
        const values: number[] = [];
        for (let i = 0; i < 11; i++) values.push(await run(engine));
        return median(values);
      };
      await run(engine);
      const alone = await sample();
      const before = mounts();
      const { ids } = await startMany(engine, 300, 4);
      const each = (mounts() - before) / ids.length;
      const crowded = await sample();
      const milliseconds = await remove(engine, ids);
      note(
        `${alone.toFixed(1)} and ${crowded.toFixed(1)} ms; ${each.toFixed(2)} mounts each; ` +
          `rm -f of all ${(milliseconds / 1000).toFixed(1)} s`,
      );
      return crowded / alone;
    },
  },
];
