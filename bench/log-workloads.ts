/** The rows about containers' logs. */
import { type Engine, timed } from './engine.ts';
import type { Workload } from './workloads.ts';

const BYTES = 200_000_000;
const LINE = 'x'.repeat(99);
const NAME = 'talks';
const TALK = `yes ${LINE} | head -c ${BYTES}`;

/** Reads a log to its end and keeps nothing of it. Milliseconds. */
async function readLogs(engine: Engine): Promise<number> {
  const begin = performance.now();
  const child = Bun.spawn(engine.argv(['logs', NAME]), {
    cwd: '/',
    env: { ...process.env, ...engine.env },
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'inherit',
  });
  let size = 0;
  for await (const chunk of child.stdout) size += chunk.length;
  if ((await child.exited) !== 0 || size !== BYTES) {
    throw new Error(`${engine.name}: logs gave ${size} bytes and ended with ${child.exitCode}`);
  }
  return performance.now() - begin;
}

export const LOG_WORKLOADS: readonly Workload[] = [
  {
    id: 'logs',
    title: '200 MB of log lines written with `max-size=1g` and read back by `logs`',
    target: '<= 0.5x',
    unit: 'ms',
    runs: 3,
    needsDaemon: true,
    measure: async (engine, note) => {
      const size = ['--log-opt', 'max-size=1g'];
      const write = await timed(engine, ['run', '-d', '--name', NAME, ...size, 'busybox', 'sh', '-c', TALK]);
      const wait = await timed(engine, ['wait', NAME]);
      const written = write.milliseconds + wait.milliseconds;
      const read = await readLogs(engine);
      await timed(engine, ['rm', NAME]);
      note(`written in ${(written / 1000).toFixed(1)} s, read in ${(read / 1000).toFixed(1)} s`);
      return written + read;
    },
  },
];
