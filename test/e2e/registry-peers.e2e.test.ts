/** The registry server with the programs that people have: skopeo, podman and dockerd, over TLS with a password. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DockerEngine } from '../../bench/dockerd.ts';
import type { Engine } from '../../bench/engine.ts';
import { Groups } from '../../bench/groups.ts';
import { PodmanEngine } from '../../bench/podman.ts';
import { digestOf } from '../../src/oci/digest.ts';
import { MEDIA_TYPES } from '../../src/oci/manifest.ts';
import { busyboxTar } from '../support/busybox-image.ts';
import { makeAuthority } from '../support/certificates.ts';
import { must, run } from '../support/command.ts';
import { RegistryProcess } from '../support/registry-process.ts';

const USER = 'alice';
const PASSWORD = 'correct horse';
const CREDENTIALS = `${USER}:${PASSWORD}`;

let folder: string;
/** Holds `ca.crt` alone: clients take a key beside it for their own. */
let trusted: string;
let settings: string[];
const groups = new Groups();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tare-regpeers-'));
  const authority = makeAuthority(join(folder, 'ca'));
  trusted = join(folder, 'trusted');
  mkdirSync(trusted);
  copyFileSync(join(authority.folder, 'ca.crt'), join(trusted, 'ca.crt'));
  const { cert, key } = authority.issue('server');
  const hash = (await Bun.password.hash(PASSWORD, { algorithm: 'bcrypt', cost: 5 })).replace('$2b$', '$2y$');
  writeFileSync(join(folder, 'htpasswd'), `${USER}:${hash}\n`);
  const rights = {
    anonymous: [{ repository: 'public/**', actions: ['pull'] }],
    users: { [USER]: [{ repository: '**', actions: ['*'] }] },
  };
  writeFileSync(join(folder, 'rights.json'), JSON.stringify(rights));
  settings = ['--tls-cert', cert, '--tls-key', key, '--htpasswd', join(folder, 'htpasswd'), '--delete'];
});
afterAll(() => {
  groups.removeNew();
  rmSync(folder, { recursive: true, force: true });
});

describe('skopeo', () => {
  let registry: RegistryProcess;
  let archive: string;
  const skopeo = (...args: string[]) =>
    must(['skopeo', '--insecure-policy', ...args], {
      env: { REGISTRY_AUTH_FILE: join(folder, 'none.json') },
    });
  const from = () => ['--src-creds', CREDENTIALS, '--src-cert-dir', trusted];
  const to = () => ['--dest-creds', CREDENTIALS, '--dest-cert-dir', trusted];

  beforeAll(async () => {
    registry = await RegistryProcess.start({ root: join(folder, 'skopeo'), args: settings });
    archive = join(folder, 'layout');
    await writeLayout(archive);
  });
  afterAll(() => registry.stop());

  test.each([
    ['oci', MEDIA_TYPES.ociManifest],
    ['v2s2', MEDIA_TYPES.dockerManifest],
  ])('copy in and out as %s, and inspect', async (format, mediaType) => {
    const name = `docker://${registry.host}/sk/app:${format}`;
    await skopeo('copy', '--format', format, ...to(), `oci:${archive}:v1`, name);
    const raw = await must([
      'skopeo',
      'inspect',
      '--raw',
      '--creds',
      CREDENTIALS,
      '--cert-dir',
      trusted,
      name,
    ]);
    expect(JSON.parse(raw).mediaType).toBe(mediaType);
    const shown = JSON.parse(
      await must(['skopeo', 'inspect', '--creds', CREDENTIALS, '--cert-dir', trusted, name]),
    );
    expect(shown.Digest).toBe(digestOf(raw));
    expect(shown.RepoTags).toContain(format);
    await skopeo('copy', ...from(), name, `dir:${folder}/out-${format}`);
    expect(digestOf(await Bun.file(`${folder}/out-${format}/manifest.json`).bytes())).toBe(shown.Digest);
  });

  test('copy from repository to repository mounts its blobs; a tag is deleted', async () => {
    const source = `docker://${registry.host}/sk/app:oci`;
    const target = `docker://${registry.host}/sk/copy:v1`;
    const before = registry.log().length;
    await skopeo('copy', ...from(), ...to(), source, target);
    const log = registry.log().slice(before);
    expect(log.match(/mount=sha256\S+ status=201/g)).toHaveLength(2);
    // The config, which it has in memory.
    expect(log.match(/method=PATCH/g)).toHaveLength(1);
    await skopeo('delete', '--creds', CREDENTIALS, '--cert-dir', trusted, target);
    const gone = await run(['skopeo', 'inspect', '--creds', CREDENTIALS, '--cert-dir', trusted, target]);
    expect([gone.code, gone.stderr.includes('manifest unknown')]).toEqual([1, true]);
  });

  test('without a password and without the authority', async () => {
    const name = `docker://${registry.host}/sk/app:oci`;
    const env = { REGISTRY_AUTH_FILE: join(folder, 'none.json') };
    const stranger = await run(['skopeo', 'inspect', '--cert-dir', trusted, name], { env });
    expect([stranger.code, /authentication required|unauthorized/.test(stranger.stderr)]).toEqual([1, true]);
    const trusting = await run(['skopeo', 'inspect', '--creds', CREDENTIALS, name], { env });
    expect([trusting.code, trusting.stderr.includes('certificate')]).toEqual([1, true]);
  });
});

/** Both take the same steps; TLS of loopback addresses is not verified by either. */
describe.each([
  ['dockerd', () => new DockerEngine()],
  ['podman', () => new PodmanEngine()],
])('%s', (kind, make) => {
  let engine: Engine & { readonly inside: string[] };
  let registry: RegistryProcess;
  const call = (...args: string[]) => run(engine.argv(args), { env: engine.env, timeout: 120_000 });
  const ok = (...args: string[]) => must(engine.argv(args), { env: engine.env, timeout: 120_000 });
  const tls = kind === 'podman' ? ['--tls-verify=false'] : [];
  const inside = (...argv: string[]) => must([...engine.inside, ...argv]);

  beforeAll(async () => {
    engine = make();
    await engine.start();
    registry = await RegistryProcess.start({
      root: join(folder, kind),
      args: [...settings, '--auth-config', join(folder, 'rights.json')],
      inside: engine.inside,
      address: '127.0.0.1:5443',
    });
  }, 120_000);
  afterAll(async () => {
    await registry?.stop();
    await engine?.stop();
  }, 60_000);

  test('login, push, pull, by tag and by digest, with and without an account', async () => {
    const { host } = registry;
    const auth = kind === 'podman' ? [`--authfile=${join(folder, 'podman-auth.json')}`] : [];
    const wrong = await call('login', ...tls, ...auth, '-u', USER, '-p', 'wrong', host);
    expect(wrong.code).not.toBe(0);
    await ok('login', ...tls, ...auth, '-u', USER, '-p', PASSWORD, host);
    for (const name of [`${host}/public/box:v1`, `${host}/private/box:v1`]) {
      await ok('tag', 'busybox', name);
      await ok('push', ...tls, ...auth, name);
    }
    const inspect = ['skopeo', 'inspect', '--tls-verify=false', '--creds', CREDENTIALS];
    const shown = JSON.parse(await inside(...inspect, `docker://${host}/public/box:v1`));
    const digest = String(shown.Digest);
    await ok('rmi', '-f', `${host}/public/box:v1`, `${host}/private/box:v1`);
    expect(await ok('pull', ...tls, ...auth, `${host}/private/box:v1`)).not.toBe('');
    // Layers of the second repository are mounted or known, not sent again.
    expect(registry.log()).toContain('path=/v2/private/box/manifests/v1 status=201');
    await ok('logout', ...auth, host);
    await ok('rmi', '-f', `${host}/private/box:v1`);
    await ok('pull', ...tls, ...auth, `${host}/public/box@${digest}`);
    const denied = await call('pull', ...tls, ...auth, `${host}/private/box:v1`);
    expect(denied.code).not.toBe(0);
    expect(denied.stderr).toMatch(/denied|unauthorized|authentication required/);
    const refused = await call('push', ...tls, ...auth, `${host}/public/box:v2`);
    expect(refused.code).not.toBe(0);
  }, 180_000);
});

/** An OCI image layout with one image, `v1`: busybox and a second layer. */
async function writeLayout(root: string): Promise<void> {
  mkdirSync(join(root, 'blobs/sha256'), { recursive: true });
  const blob = async (bytes: Uint8Array) => {
    const digest = digestOf(bytes);
    await Bun.write(join(root, 'blobs/sha256', digest.slice(7)), bytes);
    return { digest, size: bytes.byteLength };
  };
  const json = (value: object) => blob(new TextEncoder().encode(JSON.stringify(value)));
  const layers = [await Bun.file(await busyboxTar()).bytes(), new Uint8Array(randomBytes(100_000))];
  const config = await json({
    os: 'linux',
    architecture: 'amd64',
    config: {},
    rootfs: { type: 'layers', diff_ids: layers.map((layer) => digestOf(layer)) },
  });
  const manifest = await json({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    config: { mediaType: MEDIA_TYPES.ociConfig, ...config },
    layers: await Promise.all(
      layers.map(async (layer) => ({
        mediaType: MEDIA_TYPES.ociLayerGzip,
        ...(await blob(Bun.gzipSync(layer))),
      })),
    ),
  });
  const annotations = { 'org.opencontainers.image.ref.name': 'v1' };
  writeFileSync(join(root, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  const index = {
    schemaVersion: 2,
    manifests: [{ mediaType: MEDIA_TYPES.ociManifest, ...manifest, annotations }],
  };
  writeFileSync(join(root, 'index.json'), JSON.stringify(index));
}
