import { describe, expect, test } from 'bun:test';
import { TareError } from '../base/errors.ts';
import { digestOf } from './digest.ts';
import {
  isForeignLayer,
  isIndexType,
  isManifestType,
  layerCompression,
  MANIFEST_LIMIT,
  MEDIA_TYPES,
  parseManifest,
  runnableLayers,
} from './manifest.ts';

const encode = (value: unknown) =>
  new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));
const descriptor = (mediaType: string, extra: object = {}) => ({
  mediaType,
  digest: digestOf(mediaType),
  size: 7,
  ...extra,
});
const MANIFEST = {
  schemaVersion: 2,
  mediaType: MEDIA_TYPES.ociManifest,
  config: descriptor(MEDIA_TYPES.ociConfig),
  layers: [descriptor(MEDIA_TYPES.ociLayerGzip), descriptor(MEDIA_TYPES.ociLayerZstd)],
  annotations: { a: 'b' },
};
const INDEX = {
  schemaVersion: 2,
  mediaType: MEDIA_TYPES.ociIndex,
  manifests: [
    descriptor(MEDIA_TYPES.ociManifest, { platform: { os: 'linux', architecture: 'arm', variant: 'v7' } }),
  ],
};

function failure(value: unknown, contentType?: string): string {
  try {
    parseManifest(encode(value), contentType);
  } catch (error) {
    if (error instanceof TareError) return `${error.kind}: ${error.message}`;
    throw error;
  }
  return 'parsed';
}

describe('parseManifest takes', () => {
  test('an OCI manifest', () => {
    const parsed = parseManifest(encode(MANIFEST), MEDIA_TYPES.ociManifest);
    if (parsed.kind !== 'manifest') throw new Error('not a manifest');
    expect(parsed.manifest.layers.map((layer) => layer.mediaType)).toEqual(
      MANIFEST.layers.map((l) => l.mediaType),
    );
    expect(parsed.manifest.annotations).toEqual({ a: 'b' });
    expect(runnableLayers(parsed.manifest)).toHaveLength(2);
  });

  test('an OCI index with platforms', () => {
    const parsed = parseManifest(encode(INDEX), `${MEDIA_TYPES.ociIndex}; charset=utf-8`);
    if (parsed.kind !== 'index') throw new Error('not an index');
    expect(parsed.index.manifests[0]?.platform).toEqual({ os: 'linux', architecture: 'arm', variant: 'v7' });
  });

  test('Docker schema 2 and list', () => {
    expect(parseManifest(encode({ ...MANIFEST, mediaType: MEDIA_TYPES.dockerManifest })).kind).toBe(
      'manifest',
    );
    expect(parseManifest(encode({ ...INDEX, mediaType: MEDIA_TYPES.dockerList })).kind).toBe('index');
  });

  test('documents without a media type, by the header or their shape', () => {
    const { mediaType: _m, ...bare } = MANIFEST;
    const { mediaType: _i, ...bareIndex } = INDEX;
    const typeOf = (value: unknown, header?: string) => {
      const parsed = parseManifest(encode(value), header);
      return parsed.kind === 'index' ? parsed.index.mediaType : parsed.manifest.mediaType;
    };
    expect(typeOf(bare)).toBe(MEDIA_TYPES.ociManifest);
    expect(typeOf(bare, MEDIA_TYPES.dockerManifest)).toBe(MEDIA_TYPES.dockerManifest);
    expect(typeOf(bareIndex)).toBe(MEDIA_TYPES.ociIndex);
    expect(typeOf(bareIndex, 'application/json')).toBe(MEDIA_TYPES.ociIndex);
  });

  test('null lists and null optional fields, as Go writes them', () => {
    expect(failure({ ...MANIFEST, layers: null, subject: null, annotations: null })).toBe('parsed');
  });
});

describe('parseManifest refuses', () => {
  test.each<[string, unknown, string | undefined, RegExp]>([
    ['no JSON', 'hello', undefined, /^corrupt: invalid manifest: it is not JSON/],
    ['empty', '', undefined, /^corrupt: .*not JSON/],
    ['a list', [], undefined, /^corrupt: .*not an object/],
    ['null', 'null', undefined, /^corrupt: .*not an object/],
    ['no version', { ...MANIFEST, schemaVersion: undefined }, undefined, /^corrupt: .*schemaVersion/],
    ['version 3', { ...MANIFEST, schemaVersion: 3 }, undefined, /^corrupt: .*schemaVersion/],
    ['schema 1', { schemaVersion: 1, fsLayers: [] }, undefined, /^invalid: .*schema 1 is not supported/],
    ['both kinds', { ...MANIFEST, manifests: [] }, undefined, /^corrupt: .*both manifests and layers/],
    ['index with config', { ...INDEX, config: MANIFEST.config }, undefined, /^corrupt: .*both/],
    [
      'an index served as a manifest',
      { ...INDEX, mediaType: undefined },
      MEDIA_TYPES.ociManifest,
      /^corrupt: .*does not fit/,
    ],
    [
      'a manifest that says index',
      { ...MANIFEST, mediaType: MEDIA_TYPES.ociIndex },
      undefined,
      /^corrupt: .*does not fit/,
    ],
    ['a disagreeing header', MANIFEST, MEDIA_TYPES.dockerManifest, /^corrupt: .*but was served as/],
    [
      'another media type',
      { ...MANIFEST, mediaType: 'text/html' },
      undefined,
      /^invalid: unsupported manifest media type text\/html/,
    ],
    [
      'a number as media type',
      { ...MANIFEST, mediaType: 4 },
      undefined,
      /^corrupt: .*mediaType is not a text/,
    ],
    ['no config', { ...MANIFEST, config: undefined }, undefined, /^corrupt: .*config is not an object/],
    ['no layers', { ...MANIFEST, layers: undefined }, undefined, /^corrupt: .*layers is not a list/],
    [
      'a bad digest',
      { ...MANIFEST, layers: [{ ...MANIFEST.config, digest: 'sha256:../x' }] },
      undefined,
      /^corrupt: .*layers\[0\] has no valid digest/,
    ],
    [
      'a negative size',
      { ...MANIFEST, config: { ...MANIFEST.config, size: -1 } },
      undefined,
      /^corrupt: .*config has no valid size/,
    ],
    [
      'a fraction size',
      { ...MANIFEST, config: { ...MANIFEST.config, size: 1.5 } },
      undefined,
      /no valid size/,
    ],
    ['a huge size', { ...MANIFEST, config: { ...MANIFEST.config, size: 1e300 } }, undefined, /no valid size/],
    ['a text size', { ...MANIFEST, config: { ...MANIFEST.config, size: '7' } }, undefined, /no valid size/],
    ['bad annotations', { ...MANIFEST, annotations: { a: 1 } }, undefined, /annotations.a is not a text/],
    [
      'bad urls',
      { ...MANIFEST, layers: [{ ...MANIFEST.config, urls: 'x' }] },
      undefined,
      /urls is not a list/,
    ],
    [
      'a bad platform',
      { ...INDEX, manifests: [{ ...MANIFEST.config, platform: 'linux' }] },
      undefined,
      /platform is not an object/,
    ],
    [
      'too many layers',
      { ...MANIFEST, layers: Array.from({ length: 10_001 }, () => MANIFEST.config) },
      undefined,
      /more than 10000/,
    ],
    ['more than 4 MiB', ' '.repeat(MANIFEST_LIMIT + 1), undefined, /^invalid: manifest of 4194305 bytes/],
  ])('%s', (_name, value, header, expected) => {
    expect(failure(value, header)).toMatch(expected);
  });

  test('bytes that are not UTF-8', () => {
    expect(() => parseManifest(new Uint8Array([0x7b, 0xff, 0x7d]))).toThrow('not JSON');
  });

  test('every damaged document gives a TareError, never another one', () => {
    const good = encode(MANIFEST);
    let state = 5;
    for (let i = 0; i < 3000; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const copy = good.slice(0, i % 3 === 0 ? state % good.length : good.length);
      if (copy.length > 0) copy[state % copy.length] = (state >>> 8) & 0xff;
      try {
        parseManifest(copy);
      } catch (error) {
        if (!(error instanceof TareError)) throw error;
      }
    }
  });
});

describe('runnableLayers refuses', () => {
  const layersOf = (manifest: object) => {
    const parsed = parseManifest(encode(manifest));
    if (parsed.kind !== 'manifest') throw new Error('not a manifest');
    return () => runnableLayers(parsed.manifest);
  };
  test.each([
    [
      'foreign layers',
      { ...MANIFEST, layers: [descriptor(MEDIA_TYPES.dockerForeignLayerGzip)] },
      'foreign layers are not supported',
    ],
    [
      'nondistributable layers',
      { ...MANIFEST, layers: [descriptor('application/vnd.oci.image.layer.nondistributable.v1.tar+gzip')] },
      'foreign layers',
    ],
    [
      'unknown layers',
      { ...MANIFEST, layers: [descriptor('application/vnd.cncf.helm.chart')] },
      'unsupported layer media type',
    ],
    ['artifacts', { ...MANIFEST, config: descriptor(MEDIA_TYPES.ociEmpty) }, 'no container image'],
  ])('%s', (_name, manifest, message) => {
    expect(layersOf(manifest)).toThrow(message);
  });
});

test('media types are told apart', () => {
  expect(layerCompression(MEDIA_TYPES.dockerLayerGzip)).toBe('gzip');
  expect(layerCompression(MEDIA_TYPES.dockerLayer)).toBe('none');
  expect(layerCompression(MEDIA_TYPES.ociLayerZstd)).toBe('zstd');
  expect(layerCompression('toString')).toBeUndefined();
  expect(isForeignLayer(MEDIA_TYPES.ociLayer)).toBe(false);
  expect(isManifestType(MEDIA_TYPES.dockerManifest)).toBe(true);
  expect(isIndexType(MEDIA_TYPES.dockerManifest)).toBe(false);
});
