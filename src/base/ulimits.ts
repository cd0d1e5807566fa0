/** Names of resource limits, as `--ulimit` has them (getrlimit(2) without RLIMIT_, in lower case). */
export const ULIMIT_NAMES: readonly string[] = [
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
];

/** A resource limit; -1: unlimited. */
export interface Ulimit {
  readonly name: string;
  readonly soft: number;
  readonly hard: number;
}

/** Parses `NAME=SOFT[:HARD]`. Throws an Error in the docker CLI's words. */
export function parseUlimit(value: string): Ulimit {
  const equals = value.indexOf('=');
  if (equals < 0) throw new Error(`invalid ulimit argument: ${value}`);
  const name = value.slice(0, equals);
  if (!ULIMIT_NAMES.includes(name)) throw new Error(`invalid ulimit type: ${name}`);
  const limits = value.slice(equals + 1).split(':');
  if (limits.length > 2)
    throw new Error(
      `too many limit value arguments - ${value.slice(equals + 1)}, can only have up to two, \`soft[:hard]\``,
    );
  const [soft, hard = soft] = limits.map((limit) => {
    if (!/^-?\d+$/.test(limit))
      throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(limit)}: invalid syntax`);
    return Number(limit);
  }) as [number, number?];
  if (hard! >= 0 && soft > hard!) {
    throw new Error(`ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`);
  }
  if (hard !== -1 && soft === -1) {
    throw new Error(
      `ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: ${hard}`,
    );
  }
  return { name, soft, hard: hard! };
}
