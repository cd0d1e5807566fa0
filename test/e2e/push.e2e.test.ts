/** Images to and from Debian's docker-registry, by both clients; cuts and kills on the way. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, until } from '../support/command.ts';
import { CutProxy } from '../support/cut-proxy.ts';
import { CLIENTS, startDaemon, type TestDaemon } from '../support/daemon.ts';
import { type RunningRegistry, startDockerRegistry } from '../support/docker-registry.ts';

const USER = { username: 'tester', password: 'correct horse' };
/** Bytes of a layer that nothing compresses. */
const LARGE = 30_000_000;

let folder = '';
let registry: RunningRegistry;
let closed: RunningRegistry;
let daemon: TestDaemon;

beforeAll(async () => {
  folder = mkdtempSync('/tmp/tare-push-e2e-');
  registry = await startDockerRegistry(folder, 'open');
  closed = await startDockerRegistry(folder, 'closed', { user: USER });
  daemon = await startDaemon();
  await daemon.ok('tare', ['run', '--name', 'change', 'busybox', 'sh', '-c', 'echo changed >/new']);
  await daemon.ok('tare', ['commit', 'change', 'changed']);
}, 120_000);

afterAll(async () => {
  await registry?.stop();
  await closed?.stop();
  await daemon?.stop();
  rmSync(folder, { recursive: true, force: true });
});

/** An image with one layer of LARGE random bytes. */
async function importLarge(to: TestDaemon, name: string): Promise<void> {
  const place = mkdtempSync(join(folder, 'large-'));
  writeFileSync(join(place, 'noise'), randomBytes(LARGE));
  await must(['tar', '-C', place, '-cf', `${place}.tar`, 'noise']);
  await to.ok('tare', ['import', `${place}.tar`, name]);
}

const raw = (name: string) =>
  must(['skopeo', '--insecure-policy', 'inspect', '--raw', '--tls-verify=false', `docker://${name}`]);

describe.each(CLIENTS)('%s', (client) => {
  test('push, push again, remove, pull, run', async () => {
    const name = `${registry.host}/${client}/app:v1`;
    await daemon.ok('tare', ['tag', 'changed', name]);
    const first = (await daemon.ok(client, ['push', name])).split('\n');
    expect(first[0]).toBe(`The push refers to repository [${registry.host}/${client}/app]`);
    expect(first.filter((line) => / (Pushed|Mounted from .*|Layer already exists)$/.test(line))).toHaveLength(
      2,
    );
    const digest = /^v1: digest: (sha256:[0-9a-f]{64}) size: \d+$/.exec(first.at(-1) ?? '')?.[1] ?? '';
    expect(digest).toBe(`sha256:${new Bun.CryptoHasher('sha256').update(await raw(name)).digest('hex')}`);
    const again = (await daemon.ok(client, ['push', name])).split('\n');
    expect(again.filter((line) => line.endsWith(': Layer already exists'))).toHaveLength(2);
    expect(again.at(-1)).toBe(first.at(-1));
    const digests = ['inspect', '-f', '{{json .RepoDigests}}', name];
    expect(JSON.parse(await daemon.ok(client, digests))).toContain(
      `${registry.host}/${client}/app@${digest}`,
    );

    await daemon.ok(client, ['rmi', name]);
    const pulled = await daemon.ok(client, ['pull', name]);
    expect(pulled).toContain(`Digest: ${digest}`);
    expect(await daemon.ok(client, ['run', '--rm', name, 'cat', '/new'])).toBe('changed');
  }, 60_000);

  test('quiet, all tags, and what is wrong', async () => {
    const repository = `${registry.host}/${client}/tags`;
    for (const tag of ['a', 'b']) await daemon.ok('tare', ['tag', 'changed', `${repository}:${tag}`]);
    expect(await daemon.ok(client, ['push', '-q', `${repository}:a`])).toBe(`${repository}:a`);
    const all = await daemon.ok(client, ['push', '-a', repository]);
    expect(all).toMatch(/^a: digest: sha256:[0-9a-f]{64} size: \d+$/m);
    expect(all).toMatch(/^b: digest: sha256:[0-9a-f]{64} size: \d+$/m);
    await daemon.ok('tare', ['rmi', `${repository}:a`, `${repository}:b`]);
    const pulled = await daemon.ok(client, ['pull', '-a', repository]);
    expect(pulled).toContain(`Status: Downloaded newer image for ${repository}\n`);
    expect(pulled.match(/Status:/g)).toHaveLength(1);
    expect(await daemon.ok(client, ['pull', '-a', repository])).toContain('Status: Image is up to date for');
    expect((await daemon.ok('tare', ['images', '-q', repository])).split('\n')).toHaveLength(2);

    const failures: [string[], string][] = [
      [['push', '-a', `${repository}:a`], "tag can't be used with --all-tags/-a"],
      [['push', `${repository}:nosuch`], `tag does not exist: ${repository}:nosuch`],
      [['push', 'nosuch'], 'An image does not exist locally with the tag: nosuch'],
    ];
    for (const [args, words] of failures) {
      const outcome = await daemon.client(client, args);
      expect(outcome.stderr).toContain(words);
      expect(outcome.code).toBe(1);
    }
  }, 60_000);

  test('a registry that asks for a password', async () => {
    const name = `${closed.host}/${client}/app:v1`;
    await daemon.ok('tare', ['tag', 'changed', name]);
    const refused = await daemon.client(client, ['push', name]);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('no basic auth credentials');
    const config = join(folder, `config-${client}`);
    mkdirSync(config);
    const auth = Buffer.from(`${USER.username}:${USER.password}`).toString('base64');
    writeFileSync(join(config, 'config.json'), JSON.stringify({ auths: { [closed.host]: { auth } } }));
    const out = await daemon.ok(client, ['push', name], { env: { DOCKER_CONFIG: config } });
    expect(out).toContain('v1: digest: sha256:');
  }, 60_000);
});

test('a terminal gets a line a layer', async () => {
  const name = `${registry.host}/terminal/app`;
  await importLarge(daemon, name);
  const terminal = daemon.terminal('tare', ['push', name], { columns: 120 });
  expect(await terminal.exited()).toBe(0);
  expect(terminal.output()).toContain('Using default tag: latest');
  expect(terminal.output()).toMatch(/[0-9a-f]{12}: Pushing \[=+>\s*\]\s+[0-9.]+MB\/30/);
  expect(terminal.output()).toMatch(/[0-9a-f]{12}: Pushed/);
}, 60_000);

test('what the registry has is told without a pull', async () => {
  const name = `${registry.host}/looked/at:v1`;
  await daemon.ok('tare', ['tag', 'changed', name]);
  const digest = /digest: (\S+)/.exec(await daemon.ok('tare', ['push', name]))?.[1];
  const answer = await daemon.request('GET', `/v1.51/distribution/${name}/json`);
  expect(await answer.json()).toEqual({
    Descriptor: {
      mediaType: 'application/vnd.docker.distribution.manifest.v2+json',
      digest,
      size: (await raw(name)).length,
    },
    Platforms: [{ architecture: process.arch === 'x64' ? 'amd64' : 'arm64', os: 'linux' }],
  });
  const missing = await daemon.request('GET', `/v1.51/distribution/${registry.host}/looked/at:v2/json`);
  expect(missing.status).toBe(404);
});

describe('on the way', () => {
  test('an upload that was cut goes on where it was', async () => {
    await using proxy = await CutProxy.start(registry.host);
    const name = `${proxy.host}/cut/up`;
    await importLarge(daemon, name);
    proxy.cutAfterSent = 12_000_000;
    await daemon.ok('tare', ['push', name]);
    expect(proxy.cuts).toBe(1);
    expect(proxy.sent).toBeLessThan(LARGE + 15_000_000);
    await daemon.ok('tare', ['rmi', name]);
    await daemon.ok('tare', ['pull', name]);
  }, 60_000);

  test('a download that was cut goes on where it was', async () => {
    await using proxy = await CutProxy.start(registry.host);
    const name = `${proxy.host}/cut/down`;
    await importLarge(daemon, name);
    await daemon.ok('tare', ['push', name]);
    await daemon.ok('tare', ['rmi', name]);
    proxy.reset();
    proxy.cutAfterReceived = 12_000_000;
    await daemon.ok('tare', ['pull', name]);
    expect(proxy.cuts).toBe(1);
    expect(proxy.received).toBeLessThan(LARGE + 8_000_000);
  }, 60_000);

  test('a daemon killed while it uploads can push again', async () => {
    await using own = await startDaemon({ bare: true });
    await using proxy = await CutProxy.start(registry.host);
    const name = `${proxy.host}/killed/up`;
    await importLarge(own, name);
    proxy.holdAfterSent = 12_000_000;
    const pushing = own.tare('push', name);
    await until('half of it is there', async () => proxy.holds);
    await own.kill9();
    expect((await pushing).code).not.toBe(0);
    proxy.reset();
    await own.start();
    expect(await own.ok('tare', ['push', name])).toContain('latest: digest: sha256:');
  }, 60_000);

  test('a daemon killed while it downloads asks for the rest only', async () => {
    await using own = await startDaemon({ bare: true });
    await using proxy = await CutProxy.start(registry.host);
    const name = `${proxy.host}/killed/down`;
    await importLarge(daemon, name);
    await daemon.ok('tare', ['push', name]);
    proxy.reset();
    proxy.holdAfterReceived = 20_000_000;
    const pulling = own.tare('pull', name);
    await until('half of it is there', async () => proxy.holds);
    await own.kill9();
    expect((await pulling).code).not.toBe(0);
    expect(await own.start()).toBeUndefined();
    expect(await own.ok('tare', ['images', '-q'])).toBe('');
    proxy.reset();
    await own.ok('tare', ['pull', name]);
    // What lay in the sockets when it was killed comes again.
    expect(proxy.received).toBeLessThan(LARGE - 2_000_000);
  }, 60_000);

  test('who gives up a push ends it', async () => {
    await using proxy = await CutProxy.start(registry.host);
    const name = `${proxy.host}/given/up`;
    await importLarge(daemon, name);
    proxy.holdAfterSent = 12_000_000;
    const pushing = daemon.open('tare', ['push', name]);
    await until('half of it is there', async () => proxy.holds);
    pushing.signal('SIGINT');
    expect(await pushing.exited()).not.toBe(0);
    proxy.reset();
    await daemon.ok('tare', ['push', name]);
  }, 60_000);
});
