/**
 * Logins, searches, mirrors and manifest lists with both clients, against Debian's docker-registry over TLS with a
 * private authority and passwords. Its name, registry.invalid, is known to a proxy only: addresses of this machine
 * are insecure registries, whose certificates nobody would check.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeAuthority } from '../support/certificates.ts';
import type { RunOptions } from '../support/command.ts';
import { type ConnectProxy, startConnectProxy } from '../support/connect-proxy.ts';
import { installCredentialHelper } from '../support/credential-program.ts';
import { CLIENTS, type Client, REFERENCE, startDaemon, type TestDaemon } from '../support/daemon.ts';
import { type RunningRegistry, startDockerRegistry } from '../support/docker-registry.ts';

const USER = { username: 'tester', password: 'correct horse' };
const HOST = 'registry.invalid:5000';

let folder: string;
let registry: RunningRegistry;
let proxy: ConnectProxy;
let daemon: TestDaemon;

function configure(more: object = {}): void {
  const config = {
    'log-level': 'debug',
    proxies: { 'https-proxy': proxy.url },
    'registry-certs-dirs': [join(folder, 'certs.d')],
    'max-download-attempts': 1,
    ...more,
  };
  writeFileSync(join(daemon.root, 'daemon.json'), JSON.stringify(config));
  process.kill(daemon.pid, 'SIGHUP');
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'tare-logins-'));
  const authority = makeAuthority(join(folder, 'ca'));
  mkdirSync(join(folder, 'certs.d', HOST), { recursive: true });
  copyFileSync(join(authority.folder, 'ca.crt'), join(folder, 'certs.d', HOST, 'ca.crt'));
  registry = await startDockerRegistry(folder, 'registry', { tls: authority.issue('server'), user: USER });
  proxy = await startConnectProxy(registry.host);
  daemon = await startDaemon();
  configure();
}, 120_000);

afterAll(async () => {
  await daemon?.stop();
  await proxy?.[Symbol.asyncDispose]();
  await registry?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 120_000);

/** A configuration folder of its own, with certificates for the commands that ask registries themselves. */
function clientConfig(config: object = {}): string {
  const dir = mkdtempSync(join(folder, 'client-'));
  writeFileSync(join(dir, 'config.json'), JSON.stringify(config));
  mkdirSync(join(dir, 'certs.d', HOST), { recursive: true });
  copyFileSync(join(folder, 'ca/ca.crt'), join(dir, 'certs.d', HOST, 'ca.crt'));
  return dir;
}

const optionsFor = (dir: string, more: Record<string, string> = {}): RunOptions => ({
  env: { DOCKER_CONFIG: dir, HTTPS_PROXY: proxy.url, ...more },
});

function login(client: Client, dir: string, more: Record<string, string> = {}) {
  return daemon.client(client, ['login', '-u', USER.username, '--password-stdin', HOST], {
    ...optionsFor(dir, more),
    input: `${USER.password}\n`,
  });
}

describe.skipIf(REFERENCE).each(CLIENTS)('%s', (client) => {
  test('a login, and what it opens until the logout', async () => {
    const dir = clientConfig();
    const options = optionsFor(dir);
    const image = `${HOST}/${client}/app:v1`;
    const wrong = await daemon.client(client, ['login', '-u', USER.username, '-p', 'x', HOST], options);
    expect(wrong).toMatchObject({ code: 1, stdout: '' });
    expect(wrong.stderr).toBe(
      'WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n' +
        `Error response from daemon: login attempt to https://${HOST}/v2/ failed with status: 401 Unauthorized\n`,
    );
    expect(JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'))).toEqual({});

    const right = await login(client, dir);
    expect(right).toMatchObject({ code: 0, stdout: 'Login Succeeded\n' });
    expect(right.stderr).toBe(
      `\nWARNING! Your credentials are stored unencrypted in '${dir}/config.json'.\n` +
        'Configure a credential helper to remove this warning. See\n' +
        'https://docs.docker.com/go/credential-store/\n\n',
    );
    const auth = Buffer.from(`${USER.username}:${USER.password}`).toString('base64');
    expect(JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'))).toEqual({
      auths: { [HOST]: { auth } },
    });

    const again = await daemon.client(client, ['login', HOST], options);
    expect(again).toMatchObject({ code: 0, stdout: 'Login Succeeded\n' });
    expect(again.stderr).toStartWith(
      `Authenticating with existing credentials... [Username: ${USER.username}]\n`,
    );

    await daemon.ok(client, ['tag', 'busybox', image]);
    await daemon.ok(client, ['push', image], options);
    await daemon.ok(client, ['rmi', image]);
    // `run` pulls what is missing.
    expect(await daemon.ok(client, ['run', '--rm', '--net=none', image, 'echo', 'hello'], options)).toBe(
      'hello',
    );
    await daemon.ok(client, ['rmi', image]);

    expect(await daemon.ok(client, ['logout', HOST], options)).toBe(`Removing login credentials for ${HOST}`);
    expect(JSON.parse(readFileSync(join(dir, 'config.json'), 'utf8'))).toEqual({ auths: {} });
    const refused = await daemon.client(client, ['pull', image], options);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('no basic auth credentials');
  }, 60_000);

  test('a credential helper keeps the password, and gives it to pulls', async () => {
    const bin = mkdtempSync(join(folder, 'bin-'));
    const kept = installCredentialHelper(bin, 'fake');
    const dir = clientConfig({ credHelpers: { [HOST]: 'fake' } });
    const PATH = `${bin}:${process.env.PATH}`;
    expect(await login(client, dir, { PATH })).toMatchObject({
      code: 0,
      stdout: 'Login Succeeded\n',
      stderr: '',
    });
    expect(kept()).toEqual({ [HOST]: { Username: USER.username, Secret: USER.password } });
    const none = await daemon.client(client, ['pull', `${HOST}/nosuch`], optionsFor(dir, { PATH }));
    // Who may look is told that it is not there.
    expect(none.stderr).toContain(`manifest for ${HOST}/nosuch:latest not found`);
    await daemon.ok(client, ['logout', HOST], optionsFor(dir, { PATH }));
    expect(kept()).toEqual({});
  });

  test('on a terminal the password is asked for and not shown', async () => {
    const dir = join(daemon.root, 'client');
    const terminal = daemon.terminal(client, ['login', HOST]);
    await terminal.waitFor('Username: ');
    terminal.write(`${USER.username}\n`);
    await terminal.waitFor('Password: ');
    terminal.write(`${USER.password}\n`);
    await terminal.waitFor('Login Succeeded');
    expect(await terminal.exited()).toBe(0);
    expect(terminal.output()).not.toContain(USER.password);
    expect(existsSync(join(dir, 'config.json'))).toBe(true);
    await daemon.ok(client, ['logout', HOST]);
  });

  test('without a terminal nothing is asked', async () => {
    const dir = clientConfig();
    const outcome = await daemon.client(client, ['login', HOST], optionsFor(dir));
    expect(outcome).toMatchObject({
      code: 1,
      stderr: 'Error: Cannot perform an interactive login from a non TTY device\n',
    });
    const noUser = await daemon.client(client, ['login', '--password-stdin', HOST], optionsFor(dir));
    expect(noUser.stderr).toBe('the --password-stdin option requires --username to be set\n');
  });
});

test.skipIf(REFERENCE)('a login needs no daemon', async () => {
  const dir = clientConfig();
  const TARE_HOST = `unix://${folder}/nobody.sock`;
  const right = await login('tare', dir, { TARE_HOST });
  expect(right).toMatchObject({ code: 0, stdout: 'Login Succeeded\n' });
  const argv = ['login', '-u', USER.username, '-p', 'x', HOST];
  const wrong = await daemon.client('tare', argv, optionsFor(dir, { TARE_HOST }));
  expect(wrong.code).toBe(1);
  expect(wrong.stderr).toEndWith(
    `login attempt to https://${HOST}/v2/ failed with status: 401 Unauthorized\n`,
  );
});

test.skipIf(REFERENCE)('mirrors of any registry are read anew on SIGHUP', async () => {
  await using dead = await startConnectProxy('127.0.0.1:1');
  const mirror = await startDockerRegistry(folder, 'mirror');
  try {
    const image = `${mirror.host}/team/app:v1`;
    await daemon.ok('tare', ['tag', 'busybox', image]);
    await daemon.ok('tare', ['push', image]);
    const pull = () => daemon.tare('pull', 'upstream.invalid/team/app:v1');
    expect((await pull()).code).toBe(1);
    configure({ mirrors: { '*': [`http://${mirror.host}`] }, proxies: { 'https-proxy': dead.url } });
    expect(await pull()).toMatchObject({ code: 0 });
    expect(dead.asked).toEqual([]);
  } finally {
    configure();
    await mirror.stop();
  }
});

describe.skipIf(REFERENCE)('both clients', () => {
  test('print the same for a search', async () => {
    const seen: string[] = [];
    const results = [
      {
        name: 'nginx',
        description: `Official\nbuild ${'of '.repeat(30)}`,
        star_count: 20000,
        is_official: true,
      },
      { name: 'me/nginx', description: '', star_count: 0, is_official: false },
    ];
    await using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch(request) {
        const { pathname, search } = new URL(request.url);
        if (pathname === '/v1/search') seen.push(search);
        return Response.json({ results });
      },
    });
    const term = `127.0.0.1:${server.port}/nginx`;
    for (const flags of [
      [],
      ['--no-trunc'],
      ['--limit', '3'],
      ['--filter', 'stars=3'],
      ['--filter', 'is-official=false'],
      ['--format', 'json'],
      ['--format', '{{json .}}'],
      ['--format', '{{.Name}}:{{.IsOfficial}}'],
      ['--format', 'table {{.StarCount}}\t{{.Name}}'],
      ['--filter', 'stars=many'],
      ['--limit', '101'],
    ]) {
      const [ours, theirs] = [
        await daemon.tare('search', ...flags, term),
        await daemon.docker('search', ...flags, term),
      ];
      expect(ours).toEqual(theirs);
    }
    expect(new Set(seen)).toEqual(new Set(['?q=nginx&n=25', '?q=nginx&n=3']));
  });

  test('make the same manifest lists, and go on with each other’s', async () => {
    const dir = clientConfig();
    const options = optionsFor(dir);
    expect((await login('tare', dir)).code).toBe(0);
    const list = `${HOST}/lists/app:multi`;
    const images = [`${HOST}/lists/app:amd64`, `${HOST}/lists/elsewhere:arm`];
    for (const image of images) {
      await daemon.ok('tare', ['tag', 'busybox', image]);
      await daemon.ok('tare', ['push', image], options);
    }
    // Docker's client reads certificates from /etc/docker only.
    const manifest = (client: Client, verb: string, ...args: string[]) => {
      const insecure = client === 'docker' && verb !== 'annotate' && verb !== 'rm' ? ['--insecure'] : [];
      return daemon.ok(client, ['manifest', verb, ...insecure, ...args], options);
    };
    const digests: string[] = [];
    for (const [one, other] of [
      ['tare', 'docker'],
      ['docker', 'tare'],
    ] as const) {
      expect(await manifest(one, 'create', list, ...images)).toBe(`Created manifest list ${list}`);
      await manifest(
        other,
        'annotate',
        list,
        images[1]!,
        '--arch',
        'arm',
        '--variant',
        'v7',
        '--os-features',
        'a,b',
      );
      expect(await manifest(one, 'inspect', list)).toBe(await manifest(other, 'inspect', list));
      expect(await manifest(one, 'inspect', '-v', list, images[1]!)).toBe(
        await manifest(other, 'inspect', '-v', list, images[1]!),
      );
      const pushed = await manifest(other, 'push', '-p', list);
      digests.push(pushed);
      expect(pushed.split('\n')[0]).toStartWith(`Pushed ref ${HOST}/lists/app@sha256:`);
      // Gone here, so both are asked what the registry has.
      expect(await manifest(one, 'inspect', list)).toContain('"variant": "v7"');
      expect(await manifest('tare', 'inspect', '-v', list)).toBe(
        await manifest('docker', 'inspect', '-v', list),
      );
      expect(await manifest('tare', 'inspect', images[0]!)).toBe(
        await manifest('docker', 'inspect', images[0]!),
      );
    }
    expect(digests[0]).toBe(digests[1]!);
    const refused = await daemon.client('tare', ['manifest', 'create', `${list}2`, list], options);
    expect(refused).toMatchObject({ code: 1, stderr: `${list} is a manifest list\n` });
    const missing = await daemon.client('tare', ['manifest', 'rm', list], options);
    expect(missing).toMatchObject({ code: 1, stderr: `No such manifest: ${list}\n` });
  }, 60_000);
});
