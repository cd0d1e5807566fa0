/** Dockerfiles as guides of the ecosystem write them (test/apps), built, run and asked from the host. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { npmPackages, wheels } from '../../scripts/images/language-packages.ts';
import { haveApp } from '../../scripts/images/make-app-image.ts';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { RespClient } from '../support/resp-client.ts';

/** Milliseconds; bounds against hangs. */
const PATIENCE = 900_000;
const APPS = resolve(import.meta.dir, '../apps');

let daemon: TestDaemon;
const out = (...args: string[]) => daemon.ok('tare', args, { timeout: PATIENCE });
const client = (args: readonly string[]) => out(...args);

beforeAll(async () => {
  // On the machine's own network: what is not cached yet comes from the outside.
  daemon = await startDaemon({ bare: true });
  for (const name of ['python', 'node', 'golang', 'debs'] as const) await haveApp(name, client);
  // From here on `debian:bookworm` is one whose apt needs no network.
  await out('tag', 'debs', 'debian:bookworm');
}, PATIENCE);
afterAll(() => daemon?.stop(), 120_000);

const build = (name: string, ...flags: string[]) =>
  out('build', '-t', `app-${name}`, ...flags, join(APPS, name));

/** Starts what was built, with its port published; gives `127.0.0.1:PORT`. */
async function run(name: string, port: number, ...flags: string[]): Promise<string> {
  await out('run', '-d', '--name', name, '-p', `127.0.0.1::${port}`, ...flags, `app-${name}`);
  return (await out('port', name, String(port))).trim();
}

async function ask(address: string, path: string, body?: object): Promise<string> {
  const init = body && {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
  const answer = await fetch(`http://${address}${path}`, { ...init, signal: AbortSignal.timeout(20_000) });
  return `${answer.status} ${(await answer.text()).trim()}`;
}

/** Asks until it listens. */
const asked = (address: string, path: string) =>
  until('it answers', () => ask(address, path).catch(() => undefined), 60_000);

const config = async (name: string) =>
  JSON.parse(await out('image', 'inspect', '-f', '{{json .Config}}', `app-${name}`));

/** An image of packages that are here already, and of settings that point to them: what a builder's network would give. */
async function base(
  name: string,
  dockerfile: string,
  folders: Readonly<Record<string, string>>,
): Promise<void> {
  const context = join(daemon.root, 'base');
  rmSync(context, { recursive: true, force: true });
  mkdirSync(context);
  for (const [folder, from] of Object.entries(folders))
    cpSync(from, join(context, folder), { recursive: true });
  writeFileSync(join(context, 'Dockerfile'), dockerfile);
  await out('build', '-t', name, context);
}

test(
  'nginx: packages, copied files, an entrypoint with its scripts, a health check',
  async () => {
    await build('nginx');
    const address = await run('nginx', 80, '-e', 'GREETED=builder');
    expect(await asked(address, '/')).toBe('200 <title>built</title>');
    expect(await ask(address, '/greeting.txt')).toBe('200 hello builder');
    await until(
      'it is healthy',
      async () => (await out('inspect', '-f', '{{.State.Health.Status}}', 'nginx')) === 'healthy',
      60_000,
    );
    expect(await config('nginx')).toMatchObject({
      Cmd: ['nginx', '-g', 'daemon off;'],
      Entrypoint: ['/docker-entrypoint.sh'],
      ExposedPorts: { '80/tcp': {} },
      StopSignal: 'SIGQUIT',
      Labels: { 'org.opencontainers.image.title': 'web server' },
    });
    await out('stop', 'nginx');
    expect(await out('inspect', '-f', '{{.State.ExitCode}}', 'nginx')).toBe('0');
  },
  PATIENCE,
);

test(
  'Postgres: users, diverted files, a volume, rows of its first start',
  async () => {
    await build('postgres');
    const address = await run('postgres', 5432, '-e', 'POSTGRES_PASSWORD=secret');
    await until(
      'it is ready',
      async () => /init process complete[\s\S]*ready to accept/.test(await logs('postgres')),
      120_000,
    );
    expect(await tlsAnswer(address)).toBe('N');
    const login = [
      'exec',
      '-e',
      'PGPASSWORD=secret',
      'postgres',
      'psql',
      '-h',
      '127.0.0.1',
      '-U',
      'postgres',
      '-tAc',
    ];
    expect(await out(...login, 'SELECT count(*), min(text) FROM notes')).toBe('1000|note 1');
    expect(
      await out('exec', 'postgres', 'stat', '-c', '%a %U', '/var/lib/postgresql', '/var/lib/postgresql/data'),
    ).toBe('1777 postgres\n700 postgres');
    await out('stop', 'postgres');
    expect(await out('inspect', '-f', '{{.State.ExitCode}}', 'postgres')).toBe('0');
    await out('rm', '-v', 'postgres');
  },
  PATIENCE,
);

test(
  'Redis: here-documents as a script and as a file, and --chmod',
  async () => {
    await build('redis');
    const [host, port] = (await run('redis', 6379)).split(':');
    const redis = await until(
      'it answers',
      () => RespClient.open(host!, Number(port)).catch(() => undefined),
      60_000,
    );
    expect(await redis.ask('SET', 'a', '1')).toBe('OK');
    expect(await redis.ask('GET', 'a')).toBe('1');
    redis.close();
    expect(await out('top', 'redis', '-eo', 'user,pid,comm')).toMatch(/^999 +\d+ +redis-server$/m);
    await out('stop', 'redis');
    expect(await out('inspect', '-f', '{{.State.ExitCode}}', 'redis')).toBe('0');
  },
  PATIENCE,
);

test(
  'Python: a virtual environment from one stage in another, cache and bind mounts, a user without rights',
  async () => {
    const folder = await wheels(join(APPS, 'python/requirements.txt'), client);
    const settings = '[global]\nno-index = true\nfind-links = /opt/wheels\n';
    const dockerfile = `FROM python\nCOPY wheels /opt/wheels\nCOPY <<E /etc/pip.conf\n${settings}E\n`;
    await base('python:3.11-slim', dockerfile, { wheels: folder });
    await build('python', '--build-arg', 'UID=10077');
    const address = await run('python', 8000);
    expect(JSON.parse((await asked(address, '/')).slice(4))).toEqual({
      user: 10077,
      files: ['app.py', 'requirements.txt'],
    });
    expect(await ask(address, '/echo', { a: [1] })).toBe('200 {"a":[1]}');
    // The second build has nothing to do: all that is more than a setting comes from the cache.
    const again = await build('python', '--build-arg', 'UID=10077');
    expect(again.match(/Using cache|CACHED/g)).toHaveLength(6);
  },
  PATIENCE,
);

test(
  'Node: npm ci by mounts of the lock file and of a cache',
  async () => {
    const { npm, cache, registry } = await npmPackages(join(APPS, 'node'));
    const settings = `registry=${registry}\noffline=true\naudit=false\ncache=/opt/npm\nupdate-notifier=false\n`;
    const links = 'ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm';
    const dockerfile = `FROM node\nCOPY npm /usr/local/lib/node_modules/npm\nCOPY cache /opt/npm\nCOPY <<E /usr/local/lib/node_modules/npm/npmrc\n${settings}E\nRUN ${links}\n`;
    await base('node:18-slim', dockerfile, { npm, cache });
    await build('node');
    const address = await run('node', 3000);
    expect(await asked(address, '/')).toBe('200 {"user":1000,"mode":"production"}');
    expect(await ask(address, '/sum', { a: 1, b: 41 })).toBe('200 {"sum":42}');
    const modules = await out('run', '--rm', 'app-node', 'ls', '-a', '.', 'node_modules');
    expect(modules).toContain('express');
    expect(modules).not.toMatch(/left-pad|Dockerfile|dockerignore/);
  },
  PATIENCE,
);

test(
  'Go: built in one stage with mounts of source and caches, run from scratch',
  async () => {
    await out('tag', 'golang', 'golang:1.19');
    await build('go', '--build-arg', 'VERSION=1.2.3');
    const address = await run('go', 8080, '--read-only');
    // /bin, /etc and what the engine makes: /dev, /proc, /sys, /.dockerenv.
    expect(await asked(address, '/x')).toMatch(/^200 version 1\.2\.3, user 65534, path \/x, [4-6] entries$/);
    expect(await out('image', 'inspect', '-f', '{{len .RootFS.Layers}}', 'app-go')).toBe('2');
    expect(Number(await out('image', 'inspect', '-f', '{{.Size}}', 'app-go'))).toBeLessThan(12e6);
  },
  PATIENCE,
);

async function logs(name: string): Promise<string> {
  const { stdout, stderr } = await daemon.tare('logs', name);
  return stdout + stderr;
}

/** What Postgres says to a client that would like TLS: a server of its protocol answers N or S. */
function tlsAnswer(address: string): Promise<string> {
  const [host, port] = address.split(':');
  return new Promise((resolve, reject) => {
    const socket = connect({ host: host!, port: Number(port), timeout: 10_000 }, () =>
      socket.write(Uint8Array.from([0, 0, 0, 8, 4, 210, 22, 47])),
    );
    socket.once('data', (data) => {
      resolve(data.toString('latin1'));
      socket.destroy();
    });
    socket.once('timeout', () => socket.destroy(new Error('no answer')));
    socket.once('error', reject);
  });
}
