import { describe, expect, test } from 'bun:test';
import { INITIAL_STATE, isAlive, transition, trueEnd } from './lifecycle.ts';
import type { ContainerState } from './model.ts';
import { checkRestartPolicy, nextDelay, shouldRestart, startsWithDaemon } from './restart-policy.ts';

const started = transition(INITIAL_STATE, { type: 'started', pid: 5, monitorPid: 4, at: 1000 });
const exit = { type: 'exited', exitCode: 3, exitCodeKnown: true, oomKilled: false, at: 2000 } as const;

describe('transition', () => {
  test('start and end', () => {
    expect(started).toMatchObject({ status: 'running', pid: 5, monitorPid: 4, startedAt: 1000 });
    expect(isAlive(started)).toBe(true);
    const ended = transition(started, { ...exit, restarts: false });
    expect(ended).toMatchObject({ status: 'exited', pid: 0, exitCode: 3, finishedAt: 2000 });
    expect(isAlive(ended)).toBe(false);
  });

  test('a container that never ran stays created when its start fails', () => {
    const failed = transition(INITIAL_STATE, { type: 'start-failed', exitCode: 127, error: 'x', at: 1 });
    expect(failed).toMatchObject({ status: 'created', exitCode: 127, error: 'x' });
    const again = transition(transition(started, { ...exit, restarts: false }), {
      type: 'start-failed',
      exitCode: 128,
      error: 'y',
      at: 1,
    });
    expect(again.status).toBe('exited');
  });

  test('restarts are counted until the user starts it', () => {
    const waiting = transition(started, { ...exit, restarts: true });
    expect(waiting.status).toBe('restarting');
    const again = transition(waiting, { type: 'started', pid: 6, monitorPid: 7, at: 3000 });
    expect(again.restartCount).toBe(1);
    const ended = transition(again, { ...exit, restarts: false });
    expect(transition(ended, { type: 'started', pid: 1, monitorPid: 1, at: 1 }).restartCount).toBe(0);
  });

  test('impossible events throw', () => {
    expect(() => transition(INITIAL_STATE, { type: 'paused' })).toThrow('created cannot become paused');
    expect(() => transition(started, { type: 'started', pid: 1, monitorPid: 1, at: 1 })).toThrow();
    expect(() => transition(started, { type: 'removing' })).toThrow();
  });
});

describe('restart policy', () => {
  const always = { name: 'always', maximumRetryCount: 0 };
  const onFailure = { name: 'on-failure', maximumRetryCount: 2 };

  test('which ends are followed by a start', () => {
    expect(shouldRestart(always, started, 0)).toBe(true);
    expect(shouldRestart(always, { ...started, manuallyStopped: true }, 0)).toBe(false);
    expect(shouldRestart(onFailure, started, 0)).toBe(false);
    expect(shouldRestart(onFailure, started, 1)).toBe(true);
    expect(shouldRestart(onFailure, { ...started, restartCount: 2 }, 1)).toBe(false);
    expect(shouldRestart({ name: 'no', maximumRetryCount: 0 }, started, 1)).toBe(false);
  });

  test('which containers start with the daemon', () => {
    const stopped = { ...started, status: 'exited', manuallyStopped: true } as const;
    expect(startsWithDaemon(always, stopped)).toBe(true);
    expect(startsWithDaemon({ ...always, name: 'unless-stopped' }, stopped)).toBe(false);
    expect(startsWithDaemon(always, INITIAL_STATE)).toBe(false);
  });

  test('the delay doubles up to a minute and starts anew after a good run', () => {
    expect(nextDelay(0, 0)).toBe(100);
    expect(nextDelay(100, 0)).toBe(200);
    expect(nextDelay(51_200, 0)).toBe(60_000);
    expect(nextDelay(51_200, 10_000)).toBe(100);
  });

  test('contradictions are refused', () => {
    expect(() => checkRestartPolicy({ name: 'sometimes', maximumRetryCount: 0 }, false)).toThrow(
      'unknown policy',
    );
    expect(() => checkRestartPolicy({ name: 'always', maximumRetryCount: 3 }, false)).toThrow('on-failure');
    expect(() => checkRestartPolicy(always, true)).toThrow("can't create 'AutoRemove' container");
  });
});

describe('trueEnd', () => {
  const seen = { exitCode: 3, exitCodeKnown: true, oomKilled: false, finishedAt: 200 };
  const unseen = { exitCode: 255, exitCodeKnown: false, oomKilled: false, finishedAt: 900 };
  const running: ContainerState = { ...INITIAL_STATE, status: 'running', startedAt: 100, finishedAt: 50 };

  test('takes what was seen, and no time before the start', () => {
    expect(trueEnd(running, seen)).toEqual(seen);
    expect(trueEnd(running, { ...seen, finishedAt: 99 }).finishedAt).toBe(100);
    expect(trueEnd({ ...running, ...seen, exitCode: 9 }, seen)).toEqual(seen);
  });

  test('of an end that nobody saw takes what a killed daemon noted of this run, not of an earlier one', () => {
    expect(trueEnd({ ...running, ...seen }, unseen)).toEqual(seen);
    expect(trueEnd(running, unseen)).toEqual(unseen);
    expect(trueEnd({ ...running, startedAt: 0, finishedAt: 0 }, unseen)).toEqual(unseen);
  });
});
