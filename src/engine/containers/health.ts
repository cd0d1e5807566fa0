import type { ImageHealthcheck } from '../../oci/image-config.ts';
import type { ContainerState, Health, ProbeResult } from './model.ts';

/** A health check with Docker's defaults filled in. Times are milliseconds. */
export interface HealthRules {
  /** The program and its arguments. */
  readonly command: readonly string[];
  readonly interval: number;
  readonly timeout: number;
  /** Failures in this time after the start do not count, until the first success. */
  readonly startPeriod: number;
  /** Time between checks within the start period while the container is starting. */
  readonly startInterval: number;
  readonly retries: number;
}

const DEFAULT_SHELL = ['/bin/sh', '-c'];
/** Results that `inspect` shows, as in dockerd. */
const REMEMBERED = 5;

/** The rules of a container, or undefined when it has no check (none given, `NONE`, or a kind nobody knows). */
export function healthRules(
  check: ImageHealthcheck | undefined,
  shell: readonly string[] | undefined,
): HealthRules | undefined {
  const [kind, ...command] = check?.Test ?? [];
  if (!check || command.length === 0 || (kind !== 'CMD' && kind !== 'CMD-SHELL')) return undefined;
  const millis = (nanoseconds: number | undefined, otherwise: number): number =>
    nanoseconds ? nanoseconds / 1e6 : otherwise;
  return {
    command: kind === 'CMD' ? command : [...(shell?.length ? shell : DEFAULT_SHELL), ...command],
    interval: millis(check.Interval, 30_000),
    timeout: millis(check.Timeout, 30_000),
    startPeriod: millis(check.StartPeriod, 0),
    startInterval: millis(check.StartInterval, 5_000),
    retries: check.Retries || 3,
  };
}

/** The health of a container that starts now; what earlier runs left in the log stays, as dockerd has it. */
export function healthAtStart(before: Health | undefined): Health {
  return { status: 'starting', failingStreak: 0, log: before?.log ?? [] };
}

/** The health of a container that is no longer checked (it ended or is paused): dockerd calls that unhealthy. */
export function healthUnchecked(before: Health | undefined): Health | undefined {
  return before && { ...before, status: 'unhealthy' };
}

/** The health after one more result; pure. `startedAt`: milliseconds since the epoch. */
export function healthAfter(
  before: Health,
  result: ProbeResult,
  rules: Pick<HealthRules, 'retries' | 'startPeriod'>,
  startedAt: number,
): Health {
  const log = [...before.log, result].slice(-REMEMBERED);
  if (result.exitCode === 0) return { status: 'healthy', failingStreak: 0, log };
  const forgiven = before.status === 'starting' && result.start - startedAt < rules.startPeriod;
  if (forgiven) return { ...before, log };
  const failingStreak = before.failingStreak + 1;
  return { status: failingStreak >= rules.retries ? 'unhealthy' : before.status, failingStreak, log };
}

/** Milliseconds from the end of one check (or the start of checking) to the next check. */
export function untilNextProbe(
  { status }: Pick<Health, 'status'>,
  rules: Pick<HealthRules, 'interval' | 'startInterval' | 'startPeriod'>,
  startedFor: number,
): number {
  return status === 'starting' && startedFor < rules.startPeriod ? rules.startInterval : rules.interval;
}

/** What `ps` shows and its filter names: `none` without a check. */
export function healthStatus({ health }: Pick<ContainerState, 'health'>): Health['status'] | 'none' {
  return health?.status ?? 'none';
}
