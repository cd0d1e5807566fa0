/** Both ends ours: over TLS with a private authority and a password, under a name that is not loopback's. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeAuthority } from '../../test/support/certificates.ts';
import { type ConnectProxy, startConnectProxy } from '../../test/support/connect-proxy.ts';
import { MemoryContent } from '../../test/support/memory-content.ts';
import { TestRegistry } from '../../test/support/registry-server.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import { digestOf } from '../oci/digest.ts';
import { MEDIA_TYPES } from '../oci/manifest.ts';
import { parseReference } from '../oci/reference.ts';
import { RegistryClient } from '../registry-client/client.ts';
import { readHostCertificates } from '../registry-client/host-certificates.ts';
import { proxyChoice } from '../registry-client/proxies.ts';

const HOST = 'registry.invalid:5000';
const USER = { username: 'alice', password: 'correct horse' };
const LAYERS = [randomBytes(8_000_000), randomBytes(2000)];

let folder: string;
let registry: TestRegistry;
let proxy: ConnectProxy;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tare-ownclient-'));
  const authority = makeAuthority(join(folder, 'ca'));
  const { cert, key } = authority.issue('server');
  mkdirSync(join(folder, 'certs.d', HOST), { recursive: true });
  copyFileSync(join(authority.folder, 'ca.crt'), join(folder, 'certs.d', HOST, 'ca.crt'));
  const hash = Bun.password.hashSync(USER.password, { algorithm: 'bcrypt', cost: 4 });
  writeFileSync(join(folder, 'htpasswd'), `${USER.username}:${hash}\n`);
  registry = await TestRegistry.start({
    tlsCertificate: cert,
    tlsKey: key,
    htpasswd: join(folder, 'htpasswd'),
  });
  proxy = await startConnectProxy(registry.host);
});
afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]();
  await registry?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

const signal = new AbortController().signal;
const client = (certificates = 'certs.d') =>
  new RegistryClient({
    retryDelayMs: 1,
    maxAttempts: 2,
    connectTimeoutMs: 5000,
    certificatesFor: (host) => readHostCertificates([join(folder, certificates)], host),
    proxyFor: proxyChoice({ http: '', https: proxy.url, no: '' }),
  });

async function push(name: string, auth = USER, mountFrom: string[] = []) {
  const opened = await client().openPush(parseReference(name), { auth, signal });
  const how: string[] = [];
  const blob = async (mediaType: string, bytes: Uint8Array): Promise<Descriptor> => {
    const descriptor = { mediaType, digest: digestOf(bytes), size: bytes.byteLength };
    const pushed = await opened.blob({
      key: descriptor.digest,
      known: () => [descriptor],
      mountFrom: () => mountFrom,
      open: () => ({
        bytes: (async function* () {
          yield bytes;
        })(),
        descriptor,
        described: Promise.resolve(descriptor),
        progress: () => ({ current: 0, total: bytes.byteLength }),
      }),
      report: () => {},
    });
    how.push(pushed.how);
    return descriptor;
  };
  const layers = [];
  for (const layer of LAYERS) layers.push(await blob(MEDIA_TYPES.ociLayerGzip, layer));
  const config = {
    os: 'linux',
    architecture: 'amd64',
    config: {},
    rootfs: { type: 'layers', diff_ids: LAYERS.map((layer) => digestOf(layer)) },
  };
  const text = new TextEncoder().encode(JSON.stringify(config));
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: await blob(MEDIA_TYPES.ociConfig, text),
    layers,
  };
  const bytes = new TextEncoder().encode(JSON.stringify(document));
  await opened.manifest('v1', MEDIA_TYPES.ociManifest, bytes);
  return { digest: digestOf(bytes), how };
}

async function pull(name: string, content: MemoryContent, auth: typeof USER | undefined = USER) {
  const options = { report: () => {}, signal, ...(auth === undefined ? {} : { auth }) };
  const image = await client().fetchImage(parseReference(name), options, content);
  await image.done;
  return image;
}

describe('our client and our server', () => {
  test('push, pull, push again, mount', async () => {
    const pushed = await push(`${HOST}/team/app:v1`);
    expect(pushed.how).toEqual(['sent', 'sent', 'sent']);
    const content = new MemoryContent();
    const image = await pull(`${HOST}/team/app:v1`, content);
    expect(image.digest).toBe(pushed.digest);
    for (const layer of LAYERS)
      expect(digestOf(content.blobs.get(digestOf(layer)) ?? '')).toBe(digestOf(layer));
    expect((await push(`${HOST}/team/app:v1`)).how).toEqual(['there', 'there', 'there']);
    const mounted = await push(`${HOST}/team/copy:v1`, USER, ['team/app']);
    expect(mounted).toEqual({ digest: pushed.digest, how: ['mounted', 'mounted', 'mounted'] });
  });

  test('a pull goes on where an earlier one was cut', async () => {
    await push(`${HOST}/team/app:v1`);
    const [layer = new Uint8Array()] = LAYERS;
    const content = new MemoryContent();
    content.partial.set(`pull:${digestOf(layer)}`, [layer.slice(0, 5_000_000)]);
    await pull(`${HOST}/team/app:v1`, content);
    expect(digestOf(content.blobs.get(digestOf(layer)) ?? '')).toBe(digestOf(layer));
  });

  test('wrong and missing passwords, and an authority that nobody told us', async () => {
    const wrong = await push(`${HOST}/x:v1`, { ...USER, password: 'no' }).catch((error: unknown) =>
      String(error),
    );
    expect(wrong).toContain('unauthorized');
    const missing = await client()
      .fetchImage(parseReference(`${HOST}/x:v1`), { report: () => {}, signal }, new MemoryContent())
      .catch((error: unknown) => String(error));
    expect(missing).toContain('no basic auth credentials');
    const stranger = await client('nothing')
      .checkLogin(HOST, USER, signal)
      .catch((error: unknown) => String(error));
    expect(stranger).toContain('certificate');
  });
});
