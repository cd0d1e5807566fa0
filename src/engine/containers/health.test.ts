import { describe, expect, test } from 'bun:test';
import {
  type HealthRules,
  healthAfter,
  healthAtStart,
  healthRules,
  healthStatus,
  healthUnchecked,
  untilNextProbe,
} from './health.ts';
import type { Health, ProbeResult } from './model.ts';

const result = (exitCode: number, at = 0): ProbeResult => ({ start: at, end: at + 1, exitCode, output: '' });
const RULES: HealthRules = {
  command: ['x'],
  interval: 30_000,
  timeout: 1000,
  startPeriod: 0,
  startInterval: 5_000,
  retries: 3,
};

describe('healthRules', () => {
  test("Docker's defaults", () => {
    expect(healthRules({ Test: ['CMD', 'a', 'b'] }, undefined)).toEqual({
      command: ['a', 'b'],
      interval: 30_000,
      timeout: 30_000,
      startPeriod: 0,
      startInterval: 5_000,
      retries: 3,
    });
  });

  test('what was given, in nanoseconds; the shell form goes through the shell of the image', () => {
    const check = { Test: ['CMD-SHELL', 'a && b'], Interval: 1.5e9, Timeout: 2e6, Retries: 1 };
    expect(healthRules(check, ['/bin/ash', '-ec'])).toMatchObject({
      command: ['/bin/ash', '-ec', 'a && b'],
      interval: 1500,
      timeout: 2,
      retries: 1,
    });
    expect(healthRules(check, [])?.command).toEqual(['/bin/sh', '-c', 'a && b']);
  });

  test.each([
    undefined,
    {},
    { Test: null },
    { Test: [] },
    { Test: ['NONE'] },
    { Test: ['CMD'] },
    { Test: ['WHAT', 'x'] },
  ])('no check: %j', (check) => expect(healthRules(check, undefined)).toBeUndefined());
});

describe('healthAfter', () => {
  const run = (codes: readonly number[], rules = RULES, from: Health = healthAtStart(undefined)): Health =>
    codes.reduce((health, code, index) => healthAfter(health, result(code, index * 1000), rules, 0), from);

  test.each([
    [[], 'starting', 0],
    [[0], 'healthy', 0],
    [[1], 'starting', 1],
    [[1, 1], 'starting', 2],
    [[1, 1, 1], 'unhealthy', 3],
    [[-1, 2, 137], 'unhealthy', 3],
    [[1, 1, 0], 'healthy', 0],
    [[0, 1, 1], 'healthy', 2],
    [[0, 1, 1, 1], 'unhealthy', 3],
    [[0, 1, 1, 1, 1], 'unhealthy', 4],
    [[1, 1, 1, 0], 'healthy', 0],
  ] as const)('results %j: %s, %d in a row', (codes, status, failingStreak) => {
    expect(run(codes)).toMatchObject({ status, failingStreak });
  });

  test('failures within the start period do not count, a success ends it', () => {
    const rules = { ...RULES, startPeriod: 3000, retries: 1 };
    expect(run([1, 1, 1], rules)).toMatchObject({ status: 'starting', failingStreak: 0 });
    expect(run([1, 1, 1, 1], rules)).toMatchObject({ status: 'unhealthy', failingStreak: 1 });
    expect(run([0, 1], rules)).toMatchObject({ status: 'unhealthy' });
  });

  test('the last five results stay', () => {
    expect(run([1, 2, 3, 4, 5, 6, 7]).log.map(({ exitCode }) => exitCode)).toEqual([3, 4, 5, 6, 7]);
  });

  test('a new run starts anew and keeps the log; an unchecked container counts as unhealthy', () => {
    const before = run([0, 1]);
    expect(healthUnchecked(before)).toEqual({ ...before, status: 'unhealthy' });
    expect(healthAtStart(before)).toEqual({ status: 'starting', failingStreak: 0, log: before.log });
    expect(healthUnchecked(undefined)).toBeUndefined();
  });
});

test('the start interval holds while starting within the start period', () => {
  const rules = { ...RULES, startPeriod: 10_000 };
  expect(untilNextProbe({ status: 'starting' }, rules, 9_999)).toBe(5_000);
  expect(untilNextProbe({ status: 'starting' }, rules, 10_000)).toBe(30_000);
  expect(untilNextProbe({ status: 'healthy' }, rules, 1)).toBe(30_000);
  expect(untilNextProbe({ status: 'starting' }, RULES, 0)).toBe(30_000);
});

test('without a check the filter says none', () => {
  expect(healthStatus({})).toBe('none');
  expect(healthStatus({ health: healthAtStart(undefined) })).toBe('starting');
});
