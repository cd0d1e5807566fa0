/** Against Debian's docker-registry, filled by skopeo: neither is ours. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type RunningRegistry, startDockerRegistry } from '../../test/support/docker-registry.ts';
import { MemoryContent } from '../../test/support/memory-content.ts';
import { isKind } from '../base/errors.ts';
import { digestOf } from '../oci/digest.ts';
import { MEDIA_TYPES } from '../oci/manifest.ts';
import { parseReference } from '../oci/reference.ts';
import { RegistryClient } from './client.ts';
import type { RegistryCredentials } from './registry-client.ts';

const USER = { username: 'tester', password: 'correct horse' };
const LAYERS = [randomBytes(2_000_000), randomBytes(50_000)];

let folder: string;
let open: RunningRegistry;
let closed: RunningRegistry;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tare-registry-'));
  writeLayout(join(folder, 'layout'));
  open = await startDockerRegistry(folder, 'open');
  closed = await startDockerRegistry(folder, 'closed', { user: USER });
  await skopeo(
    'copy',
    `oci:${folder}/layout:v1`,
    `docker://${open.host}/team/app:oci`,
    '--dest-tls-verify=false',
  );
  await skopeo(
    'copy',
    '--format=v2s2',
    `oci:${folder}/layout:v1`,
    `docker://${open.host}/team/app:docker`,
    '--dest-tls-verify=false',
  );
  await skopeo(
    'copy',
    `oci:${folder}/layout:v1`,
    `docker://${closed.host}/app:v1`,
    '--dest-tls-verify=false',
    `--dest-creds=${USER.username}:${USER.password}`,
  );
}, 60_000);

afterAll(async () => {
  await open?.stop();
  await closed?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** An OCI image layout (image-spec, image-layout.md) with one image, `v1`. */
function writeLayout(root: string): void {
  mkdirSync(join(root, 'blobs/sha256'), { recursive: true });
  const blob = (bytes: Uint8Array) => {
    const hex = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(root, 'blobs/sha256', hex), bytes);
    return { digest: `sha256:${hex}`, size: bytes.byteLength };
  };
  const json = (value: object) => blob(new TextEncoder().encode(JSON.stringify(value)));
  const config = json({
    os: 'linux',
    architecture: 'amd64',
    config: { Cmd: ['true'] },
    rootfs: { type: 'layers', diff_ids: LAYERS.map((layer) => digestOf(layer)) },
  });
  const manifest = json({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, ...config },
    layers: LAYERS.map((layer) => ({ mediaType: MEDIA_TYPES.ociLayerGzip, ...blob(gzipSync(layer)) })),
  });
  writeFileSync(join(root, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const annotations = { 'org.opencontainers.image.ref.name': 'v1' };
  const manifests = [{ mediaType: MEDIA_TYPES.ociManifest, ...manifest, annotations }];
  writeFileSync(join(root, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }));
}

async function skopeo(...args: string[]): Promise<void> {
  const child = Bun.spawn(['skopeo', '--insecure-policy', ...args], { stdout: 'ignore', stderr: 'pipe' });
  const stderr = await new Response(child.stderr).text();
  if ((await child.exited) !== 0) throw new Error(`skopeo ${args.join(' ')}: ${stderr}`);
}

async function pull(name: string, content: MemoryContent, auth?: RegistryCredentials) {
  const client = new RegistryClient({ retryDelayMs: 1 });
  const signal = new AbortController().signal;
  const options = { report: () => {}, signal, ...(auth === undefined ? {} : { auth }) };
  const image = await client.fetchImage(parseReference(name), options, content);
  await image.done;
  return image;
}

describe('docker-registry', () => {
  test.each([
    ['oci', MEDIA_TYPES.ociManifest],
    ['docker', MEDIA_TYPES.dockerManifest],
  ])('an image pushed by skopeo as %s comes whole', async (tag, mediaType) => {
    const content = new MemoryContent();
    const image = await pull(`${open.host}/team/app:${tag}`, content);
    expect(image.manifest.mediaType).toBe(mediaType);
    expect(image.layers.map((layer) => layer.diffId)).toEqual(LAYERS.map((layer) => digestOf(layer)));
    for (const [i, layer] of image.layers.entries()) {
      const plain = Bun.gunzipSync(new Uint8Array(content.blobs.get(layer.descriptor.digest) ?? []));
      expect(Buffer.compare(plain, LAYERS[i] ?? Buffer.alloc(0))).toBe(0);
    }
    const again = await pull(`${open.host}/team/app@${image.digest}`, content);
    expect(again.manifestDigest).toBe(image.manifestDigest);
  });

  test('a half-fetched blob is resumed', async () => {
    const whole = new MemoryContent();
    const image = await pull(`${open.host}/team/app:oci`, whole);
    const digest = image.layers[0]?.descriptor.digest ?? '';
    const content = new MemoryContent();
    content.partial.set(`pull:${digest}`, [
      (whole.blobs.get(digest) ?? new Uint8Array()).slice(0, 1_000_000),
    ]);
    await pull(`${open.host}/team/app:oci`, content);
    expect(digestOf(content.blobs.get(digest) ?? '')).toBe(digest);
  });

  test('htpasswd: right, wrong and missing credentials', async () => {
    const name = `${closed.host}/app:v1`;
    expect((await pull(name, new MemoryContent(), USER)).layers).toHaveLength(2);
    const wrong = await pull(name, new MemoryContent(), { ...USER, password: 'x' }).catch(
      (error: unknown) => error,
    );
    expect(isKind(wrong, 'unauthorized')).toBe(true);
    expect(String(wrong)).toContain('unauthorized: authentication required');
    const missing = await pull(name, new MemoryContent()).catch((error: unknown) => error);
    expect(String(missing)).toContain('no basic auth credentials');
  });

  test('what it does not have is worded as Docker words it', async () => {
    const tag = await pull(`${open.host}/team/app:nosuch`, new MemoryContent()).catch(
      (error: unknown) => error,
    );
    expect(String(tag)).toContain(
      `manifest for ${open.host}/team/app:nosuch not found: manifest unknown: manifest unknown`,
    );
    const name = await pull(`${open.host}/nosuch`, new MemoryContent()).catch((error: unknown) => error);
    expect(isKind(name, 'not-found')).toBe(true);
  });

  test('a blob that rotted on its disk is refused', async () => {
    const content = new MemoryContent();
    const image = await pull(`${open.host}/team/app:oci`, new MemoryContent());
    const hex = (image.layers[1]?.descriptor.digest ?? '').slice(7);
    const path = join(open.root, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data');
    expect(readdirSync(join(path, '..'))).toEqual(['data']);
    const bytes = readFileSync(path);
    const rotten = Buffer.from(bytes);
    rotten[100] = (rotten[100] ?? 0) ^ 0xff;
    writeFileSync(path, rotten);
    try {
      const error = await pull(`${open.host}/team/app:oci`, content).catch((thrown: unknown) => thrown);
      expect(isKind(error, 'corrupt')).toBe(true);
      expect(content.size(`sha256:${hex}`)).toBeUndefined();
    } finally {
      writeFileSync(path, bytes);
    }
    await pull(`${open.host}/team/app:oci`, content);
    expect(content.size(`sha256:${hex}`)).toBe(bytes.byteLength);
  });
});
