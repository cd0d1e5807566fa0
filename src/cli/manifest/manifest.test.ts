import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { digestOf } from '../../oci/digest.ts';
import { MEDIA_TYPES } from '../../oci/manifest.ts';
import { isKnownPlatform, listDocument } from './list-document.ts';
import { manifestReference } from './manifest-reference.ts';
import { ManifestStore } from './manifest-store.ts';
import { bytesOf, storedManifest } from './stored-manifest.ts';

const BYTES = new TextEncoder().encode('{"schemaVersion":2,  "layers":[]}');
const IMAGE = { mediaType: MEDIA_TYPES.ociManifest, digest: digestOf(BYTES), size: BYTES.length };
const PLATFORM = {
  os: 'linux',
  variant: 'v8',
  architecture: 'arm64',
  'os.features': ['a'],
  'os.version': '1',
};

describe('the document of a list', () => {
  test('has docker’s members in docker’s order, three spaces deep', () => {
    const digest = `sha256:${'0'.repeat(64)}`;
    expect(listDocument([{ ...IMAGE, digest, platform: PLATFORM }]).text).toBe(`{
   "schemaVersion": 2,
   "mediaType": "application/vnd.oci.image.index.v1+json",
   "manifests": [
      {
         "mediaType": "application/vnd.oci.image.manifest.v1+json",
         "size": ${BYTES.length},
         "digest": "${digest}",
         "platform": {
            "architecture": "arm64",
            "os": "linux",
            "os.version": "1",
            "os.features": [
               "a"
            ],
            "variant": "v8"
         }
      }
   ]
}`);
  });

  test('is of the first image’s kind', () => {
    const docker = { ...IMAGE, mediaType: MEDIA_TYPES.dockerManifest };
    expect(listDocument([docker, IMAGE]).mediaType).toBe(MEDIA_TYPES.dockerList);
    expect(listDocument([IMAGE, docker]).mediaType).toBe(MEDIA_TYPES.ociIndex);
  });

  test.each([
    ['linux', 'riscv64', true],
    ['linux', 'loong64', true],
    ['linux', 'foo', false],
    ['toString', 'amd64', false],
  ])('%s/%s: %p', (os, architecture, known) => {
    expect(isKnownPlatform(os, architecture)).toBe(known);
  });
});

describe('local lists', () => {
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'tare-manifests-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('are kept under docker’s names', () => {
    const store = new ManifestStore(folder);
    const list = manifestReference('app:multi');
    const image = manifestReference('host:5000/a/app:v1');
    expect(store.list(list)).toBeUndefined();
    const manifest = storedManifest('host:5000/a/app:v1', { ...IMAGE, platform: PLATFORM }, BYTES);
    store.save(list, image, manifest);
    const path = 'manifests/docker.io_library_app-multi/host-5000_a_app-v1';
    expect(readdirSync(folder, { recursive: true })).toContain(path);
    expect(store.find(list, image)).toEqual(manifest);
    expect(store.list(list)).toEqual([manifest]);
    expect(bytesOf(manifest)).toEqual(BYTES);
    expect(store.find(list, manifestReference('other'))).toBeUndefined();
    writeFileSync(join(folder, path), '{"Ref":');
    expect(() => store.list(list)).toThrow('is damaged: remove its folder and create the list again');
    store.remove(list);
    expect(store.list(list)).toBeUndefined();
  });
});

test('a name that is none is refused', () => {
  expect(() => manifestReference('UPPER', 'annotate: ')).toThrow('annotate: invalid reference format');
});
