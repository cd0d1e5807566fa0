import { TareError } from '../../base/errors.ts';
import { healthStatus } from './health.ts';
import type { Container, ContainerStatus } from './model.ts';

/** Filters of `ps` by name; values of one name are alternatives, but all labels must hold. */
export type FilterMap = ReadonlyMap<string, readonly string[]>;

/** What filters name besides the container itself. */
export interface QueryLookups {
  /** Throws `not-found`. */
  container(ref: string): Container;
  /** The image's id, or undefined. */
  imageId(ref: string): string | undefined;
  /** Id of the image that an image was made from; empty: none. */
  parentImage(id: string): string;
}

export interface ContainerQuery {
  matches(container: Container): boolean;
  /** A filter (`status`) asks for stopped containers by itself. */
  readonly includesStopped: boolean;
}

const STATUSES: readonly ContainerStatus[] = [
  'created',
  'restarting',
  'running',
  'removing',
  'paused',
  'exited',
  'dead',
];
const HEALTHS = ['none', 'starting', 'healthy', 'unhealthy'];

type Test = (container: Container) => boolean;
type Compile = (values: readonly string[], lookups: QueryLookups) => Test;

/**
 * Builds the test of `ps --filter`, with Docker's meanings: `id` and `name` are regular expressions, `publish`
 * is a port of the host and `expose` one of the container, `ancestor` includes images made from it.
 * Throws `invalid` for unknown names and bad values, `not-found` for an unknown `before` or `since`.
 */
export function compileQuery(filters: FilterMap, lookups: QueryLookups): ContainerQuery {
  const tests: Test[] = [];
  for (const [name, values] of filters) {
    const compile = Object.hasOwn(COMPILERS, name) ? COMPILERS[name] : undefined;
    if (compile === undefined) throw new TareError('invalid', `invalid filter '${name}'`);
    if (values.length > 0) tests.push(compile(values, lookups));
  }
  return {
    matches: (container) => tests.every((test) => test(container)),
    includesStopped: (filters.get('status')?.length ?? 0) > 0,
  };
}

const COMPILERS: Readonly<Record<string, Compile>> = {
  id: (values) => {
    const tests = values.map(pattern);
    return (c) => tests.some((test) => test(c.id));
  },
  name: (values) => {
    const tests = values.map(pattern);
    // Users write `^/name$` as well as `^name$`.
    return (c) => tests.some((test) => test(c.name) || test(`/${c.name}`));
  },
  label: (values) => (c) => values.every((wanted) => labelHolds(wanted, c.config.labels)),
  status: (values) => {
    for (const value of values) oneOf('status', value, STATUSES);
    return (c) => values.includes(c.state.status);
  },
  exited: (values) => {
    const codes = values.map((value) => {
      if (!/^-?\d+$/.test(value)) throw invalidValue('exited', value);
      return Number(value);
    });
    return (c) => c.state.status === 'exited' && codes.includes(c.state.exitCode);
  },
  health: (values) => {
    for (const value of values) oneOf('health', value, HEALTHS);
    return (c) => values.includes(healthStatus(c.state));
  },
  ancestor: (values, lookups) => {
    const wanted = new Set(values.map((value) => lookups.imageId(value)).filter((id) => id !== undefined));
    return (c) => descendsFrom(c.imageId, wanted, lookups);
  },
  before: (values, lookups) => {
    const limit = Math.min(...values.map((value) => lookups.container(value).createdAt));
    return (c) => c.createdAt < limit;
  },
  since: (values, lookups) => {
    const limit = Math.max(...values.map((value) => lookups.container(value).createdAt));
    return (c) => c.createdAt > limit;
  },
  volume: (values) => (c) =>
    c.mounts.some(
      (mount) => values.includes(mount.destination) || values.includes(mount.name || mount.source),
    ),
  network: (values) => (c) =>
    c.endpoints.some((endpoint) =>
      values.some((value) => endpoint.networkName === value || endpoint.networkId.startsWith(value)),
    ),
  publish: (values) => {
    const wanted = portSet('publish', values);
    return (c) => c.ports.some((port) => wanted.has(`${port.hostPort}/${port.protocol}`));
  },
  expose: (values) => {
    const wanted = portSet('expose', values);
    return (c) =>
      Object.keys(c.config.exposedPorts).some((port) =>
        wanted.has(port.includes('/') ? port : `${port}/tcp`),
      );
  },
  'is-task': (values) => {
    for (const value of values) oneOf('is-task', value, ['true', 'false', '1', '0']);
    return () => values.includes('false') || values.includes('0');
  },
  // Of Windows; dockerd takes it everywhere.
  isolation: () => () => true,
};

/** A regular expression that matches anywhere; what is none is compared as it is. */
function pattern(value: string): (text: string) => boolean {
  try {
    const expression = new RegExp(value);
    return (text) => expression.test(text);
  } catch {
    return (text) => text === value;
  }
}

function labelHolds(wanted: string, labels: Readonly<Record<string, string>>): boolean {
  const cut = wanted.indexOf('=');
  const value = labels[cut < 0 ? wanted : wanted.slice(0, cut)];
  return value !== undefined && (cut < 0 || value === wanted.slice(cut + 1));
}

function descendsFrom(id: string, wanted: ReadonlySet<string>, lookups: QueryLookups): boolean {
  for (let current = id, steps = 0; current !== '' && steps < 1000; steps += 1) {
    if (wanted.has(current)) return true;
    current = lookups.parentImage(current);
  }
  return false;
}

function oneOf(name: string, value: string, allowed: readonly string[]): void {
  if (!allowed.includes(value)) throw invalidValue(name, value);
}

function invalidValue(name: string, value: string): TareError {
  return new TareError('invalid', `invalid filter '${name}=${value}'`);
}

/** `80`, `80/udp`, `8000-8010/tcp` as single ports. */
function portSet(name: string, values: readonly string[]): ReadonlySet<string> {
  const ports = new Set<string>();
  for (const value of values) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?(?:\/(tcp|udp|sctp))?$/.exec(value);
    const first = Number(match?.[1]);
    const last = Number(match?.[2] ?? match?.[1]);
    if (match === null || last > 65_535 || last < first) throw invalidValue(name, value);
    for (let port = first; port <= last; port += 1) ports.add(`${port}/${match[3] ?? 'tcp'}`);
  }
  return ports;
}
