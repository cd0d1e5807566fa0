import { messageOf, TareError } from '../../base/errors.ts';
import type { BuildRequest } from '../../engine/builder/builder.ts';

/** A frontend's options: `filename`, `target`, `build-arg:NAME`, … as clients send them. */
export type Attributes = Readonly<Record<string, string>>;

type Shape = Pick<
  BuildRequest,
  | 'target'
  | 'args'
  | 'labels'
  | 'noCache'
  | 'pull'
  | 'platform'
  | 'cacheFrom'
  | 'hostConfig'
  | 'sourceDateEpoch'
>;

/** What the attributes say about a build besides its files. `hostConfig`: what nobody says. */
export function requestOf(attributes: Attributes, hostConfig: BuildRequest['hostConfig']): Shape {
  const args = prefixed(attributes, 'build-arg:');
  return {
    target: attributes.target ?? '',
    args,
    labels: prefixed(attributes, 'label:'),
    noCache: noCacheOf(attributes['no-cache']),
    pull: attributes['image-resolve-mode'] === 'pull',
    platform: platformOf(attributes.platform ?? ''),
    cacheFrom: cacheImages(attributes),
    sourceDateEpoch: epochOf(args.SOURCE_DATE_EPOCH),
    hostConfig: {
      ...hostConfig,
      networkMode: networkOf(attributes['force-network-mode'] ?? ''),
      extraHosts: listOf(attributes['add-hosts']).map((pair) => pair.replace('=', ':')),
      shmSize: numberOf('shm-size', attributes['shm-size'] ?? '0'),
      logConfig: { type: 'none', config: {} },
      resources: {
        ...hostConfig.resources,
        cgroupParent: attributes['cgroup-parent'] ?? '',
        ulimits: listOf(attributes.ulimit).map(ulimitOf),
      },
    },
  };
}

/** `context:NAME`: further contexts by name, as addresses. */
export function namedContexts(attributes: Attributes): Record<string, string> {
  return prefixed(attributes, 'context:');
}

function prefixed(attributes: Attributes, prefix: string): Record<string, string> {
  return Object.fromEntries(
    Object.entries(attributes).flatMap(([key, value]) =>
      key.startsWith(prefix) ? [[key.slice(prefix.length), value]] : [],
    ),
  );
}

/** Comma-separated, as CSV: a value with a comma is in quotes. */
export function listOf(value: string | undefined): string[] {
  if (value === undefined || value === '') return [];
  return [...value.matchAll(/(?:^|,)(?:"((?:[^"]|"")*)"|([^,]*))/g)].flatMap(([, quoted, plain]) => {
    const text = quoted === undefined ? (plain ?? '') : quoted.replaceAll('""', '"');
    return text === '' ? [] : [text];
  });
}

/** Images that cached steps may be taken from; what else a cache can be imported from is passed over. */
function cacheImages(attributes: Attributes): string[] {
  const json = attributes['cache-imports'];
  if (json === undefined) return listOf(attributes['cache-from']);
  try {
    const entries = JSON.parse(json) as ReadonlyArray<{ Type?: string; Attrs?: { ref?: string } }>;
    return entries.flatMap(({ Type, Attrs }) => (Type === 'registry' && Attrs?.ref ? [Attrs.ref] : []));
  } catch (error) {
    throw new TareError('invalid', `invalid cache-imports: ${messageOf(error)}`, error);
  }
}

function noCacheOf(value: string | undefined): boolean | string[] {
  if (value === undefined) return false;
  const stages = listOf(value);
  return stages.length === 0 ? true : stages;
}

function platformOf(value: string): string {
  const platforms = listOf(value);
  if (platforms.length > 1) {
    throw new TareError(
      'not-implemented',
      `building for several platforms at once (${value}) is not supported: build for one`,
    );
  }
  return platforms[0] ?? '';
}

function networkOf(mode: string): string {
  return mode === '' || mode === 'sandbox' ? 'default' : mode;
}

function numberOf(name: string, value: string): number {
  const number = Number(value);
  if (value === '' || !Number.isSafeInteger(number) || number < 0) {
    throw new TareError('invalid', `invalid ${name}: ${value}`);
  }
  return number;
}

function epochOf(value: string | null | undefined): number | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  return numberOf('SOURCE_DATE_EPOCH', value);
}

/** `nofile=1024:2048` */
function ulimitOf(text: string): { name: string; soft: number; hard: number } {
  const [, name, soft, hard = soft] = /^([a-z]+)=(-?\d+)(?::(-?\d+))?$/.exec(text) ?? [];
  if (name === undefined) throw new TareError('invalid', `invalid ulimit argument: ${text}`);
  return { name, soft: Number(soft), hard: Number(hard) };
}
