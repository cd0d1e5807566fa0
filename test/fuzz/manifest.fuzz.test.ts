import { expect, test } from 'bun:test';
import { isKind } from '../../src/base/errors.ts';
import type { Descriptor } from '../../src/oci/descriptor.ts';
import { isDigest } from '../../src/oci/digest.ts';
import { MEDIA_TYPES, parseManifest, runnableLayers } from '../../src/oci/manifest.ts';
import { parseImageConfig } from '../../src/oci/parse-image-config.ts';
import { mutated, Random } from './random.ts';

const digest = (digit: string, length = 64, algorithm = 'sha256') => `${algorithm}:${digit.repeat(length)}`;
const descriptor = (mediaType: string, digit: string) => ({ mediaType, digest: digest(digit), size: 7 });

const SEEDS: readonly unknown[] = [
  {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    artifactType: 'application/x',
    config: descriptor(MEDIA_TYPES.ociConfig, 'a'),
    layers: [
      descriptor(MEDIA_TYPES.ociLayerGzip, 'b'),
      { ...descriptor(MEDIA_TYPES.ociLayer, 'c'), urls: ['http://x'] },
    ],
    subject: descriptor(MEDIA_TYPES.ociManifest, 'd'),
    annotations: { a: 'b' },
  },
  {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.dockerManifest,
    config: descriptor(MEDIA_TYPES.dockerConfig, 'a'),
    layers: [descriptor(MEDIA_TYPES.dockerForeignLayer, 'b')],
  },
  {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociIndex,
    manifests: [
      {
        ...descriptor(MEDIA_TYPES.ociManifest, 'e'),
        platform: {
          os: 'linux',
          architecture: 'arm',
          variant: 'v7',
          'os.version': '1',
          'os.features': ['x'],
        },
      },
      {
        ...descriptor(MEDIA_TYPES.ociManifest, 'f'),
        digest: digest('f', 128, 'sha512'),
        annotations: { k: 'v' },
      },
    ],
  },
  { schemaVersion: 1, name: 'x', fsLayers: [] },
];

const CONFIGS: readonly unknown[] = [
  {
    architecture: 'amd64',
    os: 'linux',
    created: '2020-01-01T00:00:00.123456789Z',
    config: {
      Cmd: ['sh'],
      Env: ['A=b'],
      Labels: { a: 'b' },
      ExposedPorts: { '80/tcp': {} },
      Volumes: { '/v': {} },
    },
    rootfs: { type: 'layers', diff_ids: [digest('1'), digest('2', 128, 'sha512')] },
    history: [{ created: '2020-01-01T00:00:00Z', created_by: 'x', empty_layer: true }, { comment: 'y' }],
  },
];

const STRANGE: readonly unknown[] = [
  ...[
    null,
    true,
    0,
    -1,
    1.5,
    1e300,
    '',
    'text',
    digest('0'),
    digest('0', 63),
    'sha256:../../etc',
    [],
    {},
    [null],
    [[]],
  ],
  ...[{ __proto__: null }, 'x'.repeat(300), Number.MAX_SAFE_INTEGER + 1],
];

/** A copy in which a few values are others, gone, or under another name. */
function changed(random: Random, value: unknown): unknown {
  if (random.chance(0.06)) return random.pick(STRANGE);
  if (Array.isArray(value)) {
    const items = value.map((item) => changed(random, item));
    return random.chance(0.05) ? [...items, ...items] : items;
  }
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).flatMap(([key, item]): Array<[string, unknown]> => {
    if (random.chance(0.04)) return [];
    const name = random.chance(0.03)
      ? random.pick(['manifests', 'layers', '__proto__', 'size', 'mediaType'])
      : key;
    return [[name, changed(random, item)]];
  });
  return Object.fromEntries(entries);
}

function* inputs(seeds: readonly unknown[], random: Random, count: number): Generator<Buffer> {
  for (let i = 0; i < count; i++) {
    const text = Buffer.from(JSON.stringify(changed(random, random.pick(seeds))));
    yield random.chance(0.3) ? mutated(random, text) : text;
  }
}

/** What `read` gives, undefined when it refuses as it has to. */
function attempt<T>(input: Buffer, read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (!isKind(error, 'corrupt', 'invalid')) throw new Error(`${input.toString()}: ${error}`);
    return undefined;
  }
}

function check({ digest: text, size, mediaType, platform, annotations }: Descriptor): void {
  expect(isDigest(text)).toBe(true);
  expect(Number.isSafeInteger(size) && size >= 0).toBe(true);
  expect(typeof mediaType).toBe('string');
  if (platform) expect([typeof platform.os, typeof platform.architecture]).toEqual(['string', 'string']);
  expect(Object.values(annotations ?? {}).every((value) => typeof value === 'string')).toBe(true);
}

test('a manifest that is taken has only what its type promises', () => {
  const random = new Random(2);
  const types = [undefined, ...Object.values(MEDIA_TYPES), 'application/json; charset=utf-8', 'text/html'];
  let taken = 0;
  for (const input of inputs(SEEDS, random, 25_000)) {
    const parsed = attempt(input, () =>
      parseManifest(input, random.chance(0.6) ? undefined : random.pick(types)),
    );
    if (parsed === undefined) continue;
    taken++;
    if (parsed.kind === 'index') for (const entry of parsed.index.manifests) check(entry);
    else {
      for (const entry of [parsed.manifest.config, ...parsed.manifest.layers]) check(entry);
      attempt(input, () => runnableLayers(parsed.manifest));
    }
  }
  expect(taken).toBeGreaterThan(2000);
});

test('an image config that is taken has only what its type promises', () => {
  const random = new Random(3);
  let taken = 0;
  for (const input of inputs(CONFIGS, random, 25_000)) {
    const config = attempt(input, () => parseImageConfig(input));
    if (config === undefined) continue;
    taken++;
    expect([typeof config.os, typeof config.architecture]).toEqual(['string', 'string']);
    expect(config.rootfs.diff_ids.every(isDigest)).toBe(true);
    expect((config.config?.Env ?? []).every((entry) => typeof entry === 'string')).toBe(true);
    expect((config.history ?? []).every((step) => typeof step === 'object')).toBe(true);
  }
  expect(taken).toBeGreaterThan(2000);
});
