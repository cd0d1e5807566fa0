import { expect, test } from 'bun:test';
import { TareError } from '../../base/errors.ts';
import type { IoSession } from './containers.ts';
import { goDuration, type ProbeExecs, runProbe } from './health-probe.ts';

const RULES = {
  command: ['check'],
  interval: 1,
  timeout: 20,
  startPeriod: 0,
  startInterval: 1,
  retries: 1,
};

/** Execs whose only process says `output` and ends with `exitCode`, or never by itself. */
function execs(exitCode: number | undefined, output: string, calls: string[] = []): ProbeExecs {
  const ended = Promise.withResolvers<number | null>();
  if (exitCode !== undefined) ended.resolve(exitCode);
  return {
    create: () => 'e',
    start: async () =>
      ({
        tty: false,
        ended: ended.promise.then(() => 'eof'),
        onOutput: (listener: (stream: 'stdout', chunk: Uint8Array) => void) =>
          listener('stdout', Buffer.from(output)),
        close() {},
      }) as unknown as IoSession,
    exited: () => ended.promise,
    kill: () => {
      calls.push('kill');
      ended.resolve(137);
    },
    drop: () => void calls.push('drop'),
  };
}

test('exit code and output', async () => {
  expect(await runProbe(execs(3, 'out'), 'c', RULES, () => 5)).toEqual({
    start: 5,
    end: 5,
    exitCode: 3,
    output: 'out',
  });
});

test('output is kept up to 4,096 bytes', async () => {
  expect((await runProbe(execs(0, 'x'.repeat(4096)), 'c', RULES)).output).toBe('x'.repeat(4096));
  expect((await runProbe(execs(0, 'x'.repeat(4097)), 'c', RULES)).output).toBe(`${'x'.repeat(4096)}...`);
});

test("a check that takes too long is killed, in Docker's words", async () => {
  const calls: string[] = [];
  const silent = await runProbe(execs(undefined, '', calls), 'c', RULES);
  expect(silent).toMatchObject({ exitCode: -1, output: 'Health check exceeded timeout (20ms)' });
  expect(calls).toEqual(['kill', 'drop']);
  const said = await runProbe(execs(undefined, 'half'), 'c', RULES);
  expect(said.output).toBe('Health check exceeded timeout (20ms): half');
});

test('what keeps it from running is its result', async () => {
  const failing = {
    ...execs(0, ''),
    start: () => Promise.reject(new TareError('invalid', 'exec: "check": executable file not found')),
  };
  expect(await runProbe(failing, 'c', RULES)).toMatchObject({
    exitCode: -1,
    output: 'exec: "check": executable file not found',
  });
});

test.each([
  [30_000, '30s'],
  [1500, '1.5s'],
  [500, '500ms'],
  [90_000, '1m30s'],
  [3_600_000, '1h0m0s'],
] as const)('%d ms is %s', (millis, words) => expect(goDuration(millis)).toBe(words));
