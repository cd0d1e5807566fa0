/** Private authorities and client certificates, against Debian's docker-registry over TLS. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeAuthority, type TestAuthority } from '../../test/support/certificates.ts';
import { startConnectProxy } from '../../test/support/connect-proxy.ts';
import { type RunningRegistry, startDockerRegistry } from '../../test/support/docker-registry.ts';
import { RegistryClient } from './client.ts';
import { readHostCertificates } from './host-certificates.ts';
import { proxyChoice } from './proxies.ts';
import type { RegistryCredentials } from './registry-client.ts';

const USER = { username: 'tester', password: 'correct horse' };
const signal = new AbortController().signal;

let folder: string;
let authority: TestAuthority;
let registry: RunningRegistry;
let strict: RunningRegistry;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tare-certs-'));
  authority = makeAuthority(join(folder, 'ca'));
  const tls = authority.issue('server');
  registry = await startDockerRegistry(folder, 'open', { tls, user: USER });
  strict = await startDockerRegistry(folder, 'strict', {
    tls,
    clientAuthority: join(authority.folder, 'ca.crt'),
  });
});

afterAll(async () => {
  await registry?.stop();
  await strict?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const HOST = 'registry.invalid:5000';
const ca = () => ({ 'ca.crt': join(authority.folder, 'ca.crt') });

/**
 * Logs in at a registry under a name that is not loopback's (which would not be verified), with these files in
 * its certs.d. The way there is a proxy.
 */
async function login(
  at: RunningRegistry,
  files: Readonly<Record<string, string>>,
  credentials: RegistryCredentials = USER,
): Promise<unknown> {
  const root = mkdtempSync(join(folder, 'certs-'));
  mkdirSync(join(root, HOST), { recursive: true });
  for (const [name, source] of Object.entries(files)) copyFileSync(source, join(root, HOST, name));
  await using proxy = await startConnectProxy(at.host);
  const client = new RegistryClient({
    certificatesFor: (one) => readHostCertificates([join(root, 'none'), root], one),
    proxyFor: proxyChoice({ http: '', https: proxy.url, no: '' }),
    connectTimeoutMs: 5000,
  });
  try {
    return await client.checkLogin(HOST, credentials, signal);
  } finally {
    expect(new Set(proxy.asked)).toEqual(new Set([HOST]));
  }
}

describe('a registry with a private authority', () => {
  test('is trusted by its file in certs.d, and its password is checked', async () => {
    expect(await login(registry, ca())).toEqual({ identityToken: '' });
    await expect(login(registry, ca(), { ...USER, password: 'x' })).rejects.toThrow(
      `login attempt to https://${HOST}/v2/ failed with status: 401 Unauthorized`,
    );
  });

  test('is trusted by the system’s store, which certs.d only adds to', async () => {
    await using proxy = await startConnectProxy(registry.host);
    const stranger = join(makeAuthority(join(folder, 'added')).folder, 'ca.crt');
    const script = (authorities: string) => `
      import { RegistryClient } from '${import.meta.dir}/client.ts';
      import { readFileSync } from 'node:fs';
      const certificatesFor = () => ({ authorities: ${authorities}, clients: [] });
      const client = new RegistryClient({ certificatesFor, connectTimeoutMs: 5000 });
      await client.checkLogin('${HOST}', ${JSON.stringify(USER)}, new AbortController().signal);`;
    for (const authorities of ['[]', `[readFileSync(${JSON.stringify(stranger)}, 'utf8')]`]) {
      const child = Bun.spawn([process.execPath, '-e', script(authorities)], {
        env: {
          PATH: process.env.PATH,
          HTTPS_PROXY: proxy.url,
          SSL_CERT_FILE: join(authority.folder, 'ca.crt'),
        },
        stderr: 'pipe',
      });
      expect(await new Response(child.stderr).text()).toBe('');
      expect(await child.exited).toBe(0);
    }
  });

  test('is refused without it, and with that of another', async () => {
    const words = 'tls: failed to verify certificate: x509: certificate signed by unknown authority';
    await expect(login(registry, {})).rejects.toThrow(words);
    const stranger = makeAuthority(join(folder, 'other')).folder;
    await expect(login(registry, { 'ca.crt': join(stranger, 'ca.crt') })).rejects.toThrow(words);
  });
});

describe('a registry that wants a client certificate', () => {
  test('gets it', async () => {
    const own = authority.issue('me');
    const files = { ...ca(), 'me.cert': own.cert, 'me.key': own.key };
    expect(await login(strict, files, {})).toEqual({ identityToken: '' });
  });

  test('refuses who shows none, or that of a stranger', async () => {
    await expect(login(strict, ca(), {})).rejects.toThrow('registry.invalid');
    const stranger = makeAuthority(join(folder, 'stranger')).issue('he');
    const files = { ...ca(), 'he.cert': stranger.cert, 'he.key': stranger.key };
    await expect(login(strict, files, {})).rejects.toThrow('registry.invalid');
  });
});

describe('the files', () => {
  test('of several folders add up, and a missing folder is none', () => {
    const [one, two] = [join(folder, 'one'), join(folder, 'two')];
    for (const root of [one, two]) mkdirSync(join(root, 'r:5000'), { recursive: true });
    writeFileSync(join(one, 'r:5000/a.crt'), 'A');
    writeFileSync(join(two, 'r:5000/b.crt'), 'B');
    writeFileSync(join(two, 'r:5000/c.cert'), 'C');
    writeFileSync(join(two, 'r:5000/c.key'), 'K');
    writeFileSync(join(two, 'r:5000/README'), '');
    expect(readHostCertificates([one, '/nowhere', two], 'r:5000')).toEqual({
      authorities: ['A', 'B'],
      clients: [{ cert: 'C', key: 'K' }],
    });
    expect(readHostCertificates([one, two], 'r')).toEqual({ authorities: [], clients: [] });
  });

  test.each([
    ['x.cert', 'missing key x.key for client certificate x.cert'],
    ['x.key', 'missing client certificate x.cert for key x.key'],
  ])('%s alone is refused in dockerd’s words', (name, words) => {
    const root = mkdtempSync(join(folder, 'half-'));
    mkdirSync(join(root, 'r'));
    writeFileSync(join(root, 'r', name), '');
    expect(() => readHostCertificates([root], 'r')).toThrow(words);
  });
});
