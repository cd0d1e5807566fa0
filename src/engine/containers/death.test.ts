import { describe, expect, test } from 'bun:test';
import { type Autopsy, type Ending, explainDeath } from './death.ts';
import type { Container, ContainerState } from './model.ts';
import { findOomKill } from './post-mortem.ts';

const END: Autopsy = {
  exitCode: 0,
  exitCodeKnown: true,
  oomKilled: false,
  finishedAt: 100_000,
  rebooted: false,
  log: ['last'],
};
const CLIENT = { pid: 12, uid: 1000, program: 'docker' };
const STOP: Ending = { cause: 'client', verb: 'stop', client: CLIENT, signal: 15, at: 99_000 };
const MEMORY = 512 * 1024 * 1024;

const explain = (end: Partial<Autopsy>, ending?: Ending, state: Partial<ContainerState> = {}) =>
  explainDeath(
    {
      state: { ending, ...state } as ContainerState,
      hostConfig: { resources: { memory: MEMORY } } as Container['hostConfig'],
    },
    { ...END, ...end },
  );

describe('explainDeath', () => {
  const unknown = { exitCode: 255, exitCodeKnown: false };
  const oom = { limit: MEMORY, process: 'java', pid: 7 };
  const kill = (signal: number, at: number): Ending => ({ ...STOP, verb: 'kill', signal, at });
  test.each<[string, Partial<Autopsy>, Ending | undefined, string, string]>([
    ['by itself', { exitCode: 3 }, undefined, 'exit', 'exited by itself with code 3'],
    ['a fault', { exitCode: 139 }, undefined, 'crash', 'crashed with SIGSEGV'],
    [
      'a signal of nobody here',
      { exitCode: 137 },
      undefined,
      'outside',
      'ended by SIGKILL from outside Tare, or exited with code 137 by itself',
    ],
    ['a stop', { exitCode: 143 }, STOP, 'client', 'stopped by docker (pid 12, uid 1000) with SIGTERM'],
    ['a stop that it handled', {}, STOP, 'client', 'stopped by docker (pid 12, uid 1000) with SIGTERM'],
    [
      'a restart of a client nobody knows',
      {},
      { ...STOP, verb: 'restart', client: undefined },
      'restart',
      'restarted by a client of the API with SIGTERM',
    ],
    [
      'a stop that it outlived',
      { exitCode: 137 },
      { ...STOP, outlived: 10 },
      'stop-timeout',
      'stopped by docker (pid 12, uid 1000); it outlived SIGTERM by 10 s and was killed',
    ],
    [
      'memory, with what the kernel said',
      { exitCode: 137, oomKilled: true, oom },
      undefined,
      'oom',
      'out of memory: its limit of 512MiB was reached and the kernel killed java (pid 7); exit code 137',
    ],
    [
      "memory, the machine's",
      { exitCode: 1, oomKilled: true, oom: { ...oom, limit: 0 } },
      undefined,
      'oom',
      "out of memory: the machine's memory was reached and the kernel killed java (pid 7); exit code 1",
    ],
    [
      'a child was killed for memory, and it ended in peace',
      { oomKilled: true, oom },
      undefined,
      'exit',
      'exited by itself with code 0',
    ],
    [
      'nobody saw it',
      unknown,
      undefined,
      'unknown',
      'ended while neither the daemon nor conmon was there to see it',
    ],
    [
      'the machine went down',
      { ...unknown, rebooted: true },
      undefined,
      'shutdown',
      'the machine went down while it ran',
    ],
    [
      'the machine went down in order',
      { exitCode: 137 },
      { ...STOP, cause: 'shutdown', client: undefined, outlived: 10 },
      'shutdown',
      'the machine went down while it ran',
    ],
    [
      'conmon was killed',
      { exitCode: 7 },
      { ...STOP, cause: 'monitor', client: undefined },
      'monitor',
      'conmon was killed, so it was ended with SIGTERM',
    ],
    [
      'daemon and conmon were killed',
      unknown,
      { ...STOP, cause: 'monitor', client: undefined },
      'monitor',
      'conmon was killed, so it was ended with SIGTERM; nobody saw its exit code',
    ],
    [
      'a signal sent just now',
      { exitCode: 1 },
      kill(1, 99_000),
      'client',
      'killed by docker (pid 12, uid 1000) with SIGHUP',
    ],
    ['a signal sent long ago', { exitCode: 1 }, kill(1, 1000), 'exit', 'exited by itself with code 1'],
    [
      'a signal sent long ago that is the one it died of',
      { exitCode: 129 },
      kill(1, 1000),
      'client',
      'killed by docker (pid 12, uid 1000) with SIGHUP',
    ],
  ])('%s', (_name, end, ending, reason, text) => {
    expect(explain(end, ending)).toMatchObject({ reason, text, log: ['last'] });
  });

  test('the last result of the health check is there, and the words of it', () => {
    const result = { start: 1, end: 2, exitCode: 1, output: 'no answer\nmore' };
    const death = explain(
      {},
      { ...STOP, cause: 'health', client: undefined },
      { health: { status: 'unhealthy', failingStreak: 3, log: [result] } },
    );
    expect(death).toMatchObject({ reason: 'health', health: result });
    expect(death.text).toBe('unhealthy: no answer; ended with SIGTERM to be started again');
  });
});

test("the kernel's last word about the container's memory is found", () => {
  const id = 'a'.repeat(64);
  const line = (group: string, task: string, constraint = 'CONSTRAINT_MEMCG') =>
    `oom-kill:constraint=${constraint},nodemask=(null),cpuset=${id},mems_allowed=0,oom_memcg=/tare/${group},task_memcg=/tare/${group},task=${task},pid=77,uid=0`;
  const container = { id, hostConfig: { resources: { memory: 5 } } } as Container;
  const messages = [line(id, 'first'), line(id, 'second'), line('b'.repeat(64), 'other'), 'something else'];
  expect(findOomKill(messages, container)).toEqual({ limit: 5, process: 'second', pid: 77 });
  expect(findOomKill([line(id, 'x', 'CONSTRAINT_NONE')], container).limit).toBe(0);
  expect(findOomKill([], container)).toEqual({ limit: 5, process: '', pid: 0 });
});
