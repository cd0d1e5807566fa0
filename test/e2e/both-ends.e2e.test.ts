/**
 * Our client with our registry server: over TLS with a private authority, by passwords and by tokens, and as the
 * mirror of every other registry. Their names are known to a proxy only: nobody would check the certificates of
 * addresses of this machine.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeAuthority } from '../support/certificates.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { REFERENCE, startDaemon, type TestDaemon } from '../support/daemon.ts';
import { startDockerRegistry } from '../support/docker-registry.ts';
import { TestRegistry } from '../support/registry-server.ts';

const USER = 'tester';
const PASSWORD = 'correct horse';
const HOST = 'registry.invalid:5000';

let folder: string;
let daemon: TestDaemon;
let server: { cert: string; key: string };

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tare-ends-'));
  const authority = makeAuthority(join(folder, 'ca'));
  server = authority.issue('server');
  mkdirSync(join(folder, 'certs.d', HOST), { recursive: true });
  copyFileSync(join(authority.folder, 'ca.crt'), join(folder, 'certs.d', HOST, 'ca.crt'));
  const hash = Bun.password.hashSync(PASSWORD, { algorithm: 'bcrypt', cost: 4 }).replace('$2b$', '$2y$');
  writeFileSync(join(folder, 'htpasswd'), `${USER}:${hash}\n`);
  writeFileSync(
    join(folder, 'rights.json'),
    JSON.stringify({
      anonymous: [{ repository: '**', actions: ['pull'] }],
      users: { [USER]: [{ repository: '**', actions: ['*'] }] },
    }),
  );
  daemon = await startDaemon();
}, 120_000);

afterAll(async () => {
  await daemon?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 120_000);

function configure(config: object): void {
  writeFileSync(join(daemon.root, 'daemon.json'), JSON.stringify({ 'log-level': 'debug', ...config }));
  process.kill(daemon.pid, 'SIGHUP');
}

/** The digest under which the daemon knows an image in a registry. */
async function digestOfImage(image: string): Promise<string> {
  return await daemon.ok('tare', ['image', 'inspect', '-f', '{{index .RepoDigests 0}}', image]);
}

describe.skipIf(REFERENCE).each(['passwords', 'tokens'])('over TLS, by %s', (kind) => {
  test('what is pushed is pulled with its digest, and only by who may', async () => {
    await using registry = await TestRegistry.start({
      tlsCertificate: server.cert,
      tlsKey: server.key,
      htpasswd: join(folder, 'htpasswd'),
      authConfig: kind === 'tokens' ? join(folder, 'rights.json') : '',
    });
    await using proxy = await startConnectProxy(registry.host);
    const certificates = { 'registry-certs-dirs': [join(folder, 'certs.d')] };
    const proxies = { 'https-proxy': proxy.url };
    configure({ proxies, 'registry-certs-dirs': [join(folder, 'none')], 'max-download-attempts': 1 });
    const unknown = await daemon.tare('login', '-u', USER, '-p', PASSWORD, HOST);
    expect(unknown.stderr).toContain('x509: certificate signed by unknown authority');

    configure({ proxies, ...certificates });
    const image = `${HOST}/${kind}/app:v1`;
    await daemon.ok('tare', ['tag', 'busybox', image]);
    expect((await daemon.tare('push', image)).code).toBe(1);
    const wrong = await daemon.tare('login', '-u', USER, '-p', 'x', HOST);
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toMatch(/unauthorized|401 Unauthorized/i);
    expect((await daemon.tare('login', '-u', USER, '-p', PASSWORD, HOST)).stdout).toBe('Login Succeeded\n');
    await daemon.ok('tare', ['push', image]);
    const digest = await digestOfImage(image);
    await daemon.ok('tare', ['rmi', image]);
    await daemon.ok('tare', ['pull', image]);
    expect(await digestOfImage(image)).toBe(digest);
    await daemon.ok('tare', ['logout', HOST]);
    // Tokens are for anybody here who only reads.
    expect((await daemon.tare('pull', image)).code).toBe(kind === 'tokens' ? 0 : 1);
    expect((await daemon.tare('push', image)).code).toBe(1);
    await daemon.ok('tare', ['rmi', image]);
    expect(new Set(proxy.asked)).toEqual(new Set([HOST]));
  }, 60_000);
});

test.skipIf(REFERENCE)(
  'one cache of ours is the mirror of every registry',
  async () => {
    const upstreams = [await startDockerRegistry(folder, 'one'), await startDockerRegistry(folder, 'two')];
    try {
      const names = ['one.invalid', 'two.invalid'];
      await using cache = await TestRegistry.start({
        proxies: names.map((name, index) => `${name}=http://${upstreams[index]!.host}`),
      });
      configure({ mirrors: { '*': [`http://${cache.host}`] } });
      for (const [index, name] of names.entries()) {
        const pushed = `${upstreams[index]!.host}/team/app:v1`;
        // The two differ, so that the cache would be seen to mix them up.
        const base = await daemon.ok('tare', ['create', '--label', `of=${name}`, 'busybox', 'true']);
        await daemon.ok('tare', ['commit', base, pushed]);
        await daemon.ok('tare', ['rm', base]);
        await daemon.ok('tare', ['push', pushed]);
        await daemon.ok('tare', ['rmi', pushed]);
      }
      for (const [index, name] of names.entries()) {
        await daemon.ok('tare', ['pull', `${name}/team/app:v1`]);
        expect(
          await daemon.ok('tare', ['inspect', '-f', '{{.Config.Labels.of}}', `${name}/team/app:v1`]),
        ).toBe(name);
        await upstreams[index]!.stop();
        await daemon.ok('tare', ['rmi', `${name}/team/app:v1`]);
        // The cache has it now.
        await daemon.ok('tare', ['pull', `${name}/team/app:v1`]);
      }
    } finally {
      for (const upstream of upstreams) await upstream.stop();
    }
  },
  60_000,
);
