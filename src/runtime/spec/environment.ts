/** Docker's search path where an image has none. */
export const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What the defaults depend on. */
export interface EnvironmentFacts {
  /** Empty: no HOSTNAME (an exec has the container's). */
  readonly hostname: string;
  readonly terminal: boolean;
  readonly home: string;
}

/**
 * A process's environment as dockerd sets it: PATH, HOSTNAME and (with a terminal) TERM first, then `env`, where a
 * later entry replaces an earlier one in place and a bare `KEY` removes it; HOME last, when nobody set it.
 */
export function processEnvironment(env: readonly string[], facts: EnvironmentFacts): string[] {
  const result = new Map<string, string>([['PATH', DEFAULT_PATH]]);
  if (facts.hostname !== '') result.set('HOSTNAME', `HOSTNAME=${facts.hostname}`);
  if (facts.terminal) result.set('TERM', 'TERM=xterm');
  for (const entry of env) {
    const equals = entry.indexOf('=');
    if (equals < 0) result.delete(entry);
    else result.set(entry.slice(0, equals), entry);
  }
  if (!result.has('HOME')) result.set('HOME', `HOME=${facts.home || '/'}`);
  return [...result.values()];
}
