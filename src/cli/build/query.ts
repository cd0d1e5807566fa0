import type { Query } from '../client/client.ts';
import { parseCacheFrom } from './cache-flags.ts';
import type { BuildFlags } from './refusals.ts';

/** `KEY=VALUE` texts as an object; a key alone has `missing`. */
function pairs<T>(texts: readonly string[], missing: T): Record<string, string | T> {
  const entries = texts.map((text): [string, string | T] => {
    const equals = text.indexOf('=');
    return equals < 0 ? [text, missing] : [text.slice(0, equals), text.slice(equals + 1)];
  });
  return Object.fromEntries(entries);
}

/** Images of `--cache-from`. */
export function cacheImages(values: readonly string[]): string[] {
  return values.flatMap(parseCacheFrom).flatMap((cache) => (cache.type === 'registry' ? [cache.ref] : []));
}

const jsonOrNothing = (value: object): string | undefined =>
  Object.keys(value).length === 0 ? undefined : JSON.stringify(value);

const orNothing = <T extends string | number>(value: T): T | undefined =>
  value === '' || value === 0 ? undefined : value;

export interface QueryOptions {
  readonly flags: BuildFlags;
  /** Arguments that come from elsewhere; those of the flags win. */
  readonly defaultArguments: Readonly<Record<string, string>>;
  /** Path in the context; empty for the daemon's default. */
  readonly dockerfile: string;
  readonly remote: string | undefined;
  readonly platform: string;
  /** Id of what was sent ahead; empty: nothing. */
  readonly request?: string;
  /** What happens itself, in place of the classic builder's words. */
  readonly events?: boolean;
}

/** The query of `POST /build`, without what has its default: Docker's parameters, by its client's encoding. */
export function buildQuery(options: QueryOptions): Query {
  const { flags, defaultArguments, dockerfile, remote, platform, request = '', events } = options;
  return {
    tarerequest: orNothing(request),
    tareevents: events,
    t: flags.tag,
    dockerfile: orNothing(dockerfile),
    remote,
    q: flags.quiet,
    nocache: flags['no-cache'],
    pull: flags.pull,
    rm: flags.rm ? undefined : '0',
    forcerm: flags['force-rm'],
    squash: flags.squash,
    target: orNothing(flags.target),
    platform: orNothing(platform.toLowerCase()),
    networkmode: flags.network === 'default' ? undefined : flags.network,
    extrahosts: flags['add-host'],
    buildargs: jsonOrNothing({ ...defaultArguments, ...pairs(flags['build-arg'], null) }),
    labels: jsonOrNothing(pairs(flags.label, '')),
    cachefrom: jsonOrNothing(cacheImages(flags['cache-from'])),
    ulimits: jsonOrNothing(flags.ulimit),
    securityopt: flags['security-opt'],
    memory: orNothing(flags.memory),
    memswap: orNothing(flags['memory-swap']),
    shmsize: orNothing(flags['shm-size']),
    cpushares: orNothing(flags['cpu-shares']),
    cpuperiod: orNothing(flags['cpu-period']),
    cpuquota: orNothing(flags['cpu-quota']),
    cpusetcpus: orNothing(flags['cpuset-cpus']),
    cpusetmems: orNothing(flags['cpuset-mems']),
    cgroupparent: orNothing(flags['cgroup-parent']),
    isolation: orNothing(flags.isolation),
    version: '1',
  };
}
