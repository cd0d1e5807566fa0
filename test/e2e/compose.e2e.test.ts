/** Debian 13's docker-compose, as a plugin of the docker CLI, with services that wait for each other's health. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { dockerPlugin } from '../../scripts/images/docker-plugin.ts';
import { messageOf } from '../../src/base/errors.ts';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const plugin = await dockerPlugin('docker-compose').catch((error: unknown) => {
  console.error(`docker-compose is not tested: its package cannot be fetched: ${messageOf(error)}`);
  return undefined;
});

/** `MODE` is what a test changes. Everything ends at once on SIGTERM, since an init passes it on. */
const file = (mode: string) => `
services:
  db:
    image: busybox
    init: true
    command: sh -c 'echo rows > /data/index.html; exec httpd -f -p 5432 -h /data'
    volumes: ["data:/data"]
    networks: { back: { aliases: [database] } }
    healthcheck: { test: wget -q -O /dev/null http://127.0.0.1:5432/, interval: 300ms, timeout: 5s, retries: 50 }
  api:
    image: busybox
    init: true
    command: sh -c 'mkdir -p /w && wget -q -O /w/rows http://database:5432/ && echo $$MODE > /w/mode && exec httpd -f -p 8000 -h /w'
    environment: { MODE: ${mode} }
    depends_on: { db: { condition: service_healthy } }
    networks: { back: {}, front: { aliases: [backend] } }
    healthcheck: { test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:8000/rows"], interval: 300ms, timeout: 5s, retries: 50 }
    deploy: { resources: { limits: { cpus: "0.5", memory: 64M, pids: 100 } } }
  web:
    image: busybox
    init: true
    command: sh -c 'mkdir -p /w && wget -q -O /w/index.html http://backend:8000/rows && exec httpd -f -p 80 -h /w'
    depends_on: { api: { condition: service_healthy } }
    networks: [front]
    ports: ["8080:80"]
  worker:
    image: busybox
    init: true
    command: sleep 1000
    profiles: [extra]
    networks: { front: { aliases: [pool] } }
volumes: { data: {} }
networks: { front: {}, back: { internal: true } }
`;

describe.skipIf(plugin === undefined)('the docker-compose of Debian 13', () => {
  let daemon: TestDaemon;
  let folder: string;

  beforeAll(async () => {
    daemon = await startDaemon({ isolated: true });
    const plugins = join(daemon.env().DOCKER_CONFIG!, 'cli-plugins');
    mkdirSync(plugins);
    symlinkSync(plugin!, join(plugins, 'docker-compose'));
    folder = join(daemon.root, 'shop');
    mkdirSync(folder);
    writeFileSync(join(folder, 'compose.yaml'), file('production'));
  }, 120_000);
  afterAll(() => daemon?.stop(), 120_000);

  const compose = (...args: string[]) => daemon.ok('docker', ['compose', ...args], { cwd: folder });
  const outcome = (...args: string[]) => daemon.client('docker', ['compose', ...args], { cwd: folder });
  const idOf = (service: string) => compose('ps', '-aq', service);
  const rows = (...args: string[]) =>
    compose('ps', '-a', '--format', '{{.Service}} {{.State}} {{.Health}}', ...args);

  test('up --wait: in order of health, volume, networks, aliases, limits, the published port', async () => {
    expect(JSON.parse(await compose('config', '--format', 'json')).services.web.ports[0].published).toBe(
      '8080',
    );
    await compose('up', '-d', '--wait');
    expect(await rows()).toBe('api running healthy\ndb running healthy\nweb running');
    const page = await daemon.inNetwork(['busybox', 'wget', '-q', '-O', '-', 'http://127.0.0.1:8080/']);
    expect(page.stdout).toBe('rows\n');
    expect(await compose('port', 'web', '80')).toBe('0.0.0.0:8080');
    const limits = '{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}';
    expect(await daemon.ok('docker', ['inspect', '-f', limits, await idOf('api')])).toBe(
      '67108864 500000000 100',
    );
    expect(await compose('ls', '--format', 'json')).toContain('"Status":"running(3)"');
    expect(await compose('images')).toContain('busybox');
    expect(await compose('top', 'db')).toContain('httpd -f -p 5432');
  }, 120_000);

  test('networks: only those who share one see each other; an internal one leads nowhere', async () => {
    expect(await compose('exec', '-T', 'api', 'wget', '-q', '-O', '-', 'http://db:5432/')).toBe('rows');
    const asked = await outcome('exec', '-T', 'web', 'nslookup', 'database', '127.0.0.11');
    expect(asked.stdout + asked.stderr).toContain("can't find database");
    const address = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}';
    const db = await daemon.ok('docker', ['inspect', '-f', address, await idOf('db')]);
    const stranger = await outcome('exec', '-T', 'web', 'ping', '-c', '1', '-W', '1', db);
    expect(stranger.stdout).toContain('100% packet loss');
    expect(await compose('exec', '-T', 'api', 'ping', '-c', '1', db)).toContain(' 0% packet loss');
    expect(await compose('exec', '-T', 'db', 'ip', 'route')).not.toContain('default');
    expect(await compose('exec', '-T', 'web', 'ip', 'route')).toContain('default');
  }, 60_000);

  test('exec, cp, logs, restart, pause, stop, start, kill and their words', async () => {
    const failed = await outcome(
      'exec',
      '-T',
      '-e',
      'A=b',
      '-w',
      '/tmp',
      'api',
      'sh',
      '-c',
      'echo $A $PWD $MODE; exit 3',
    );
    expect([failed.code, failed.stdout]).toEqual([3, 'b /tmp production\n']);
    expect((await outcome('exec', '-T', 'worker', 'true')).stderr).toContain(
      'service "worker" is not running',
    );
    writeFileSync(join(folder, 'note'), 'copied');
    await compose('cp', 'note', 'db:/data/note');
    expect(await compose('exec', '-T', 'api', 'wget', '-q', '-O', '-', 'http://db:5432/note')).toBe('copied');
    await compose('cp', 'db:/data/note', 'back');
    expect(await Bun.file(join(folder, 'back')).text()).toBe('copied');
    await compose('restart', '-t', '5', 'db');
    await until('db is healthy again', async () => (await rows('db')) === 'db running healthy');
    await compose('pause', 'web');
    expect(await rows('web')).toBe('web paused');
    const iced = await outcome('exec', '-T', 'web', 'true');
    expect(iced.stderr).toMatch(/Container [0-9a-f]{64} is paused, unpause the container before exec/);
    await compose('unpause', 'web');
    await compose('stop', 'web');
    expect(await rows('web')).toBe('web exited');
    await compose('start', 'web');
    await compose('kill', '-s', 'KILL', 'web');
    expect(await compose('ps', '-a', '--format', '{{.ExitCode}}', 'web')).toBe('137');
    expect((await outcome('up', '-d', '--wait')).stderr).toContain('-web-1  Started');
  }, 120_000);

  test('up again: what changed is made anew and keeps its name, the rest stays', async () => {
    const [db, api] = [await idOf('db'), await idOf('api')];
    expect((await outcome('up', '-d', '--wait')).stderr).not.toContain('Recreate');
    writeFileSync(join(folder, 'compose.yaml'), file('testing'));
    const { code, stderr } = await outcome('up', '-d', '--wait');
    expect([code, stderr]).toEqual([0, expect.stringContaining('-api-1  Recreated')]);
    expect(await idOf('db')).toBe(db);
    expect(await idOf('api')).not.toBe(api);
    expect(await compose('exec', '-T', 'web', 'wget', '-q', '-O', '-', 'http://backend:8000/mode')).toBe(
      'testing',
    );
  }, 60_000);

  test('profiles, scale, run --rm, logs, and an image that nobody has', async () => {
    await compose('--profile', 'extra', 'up', '-d', '--scale', 'worker=3');
    const pool = await compose('exec', '-T', 'web', 'nslookup', 'pool', '127.0.0.11');
    expect(pool.match(/^Address: \d+\.\d+\.\d+\.\d+$/gm)).toHaveLength(3);
    await compose('--profile', 'extra', 'up', '-d', '--scale', 'worker=1');
    expect(await rows('worker')).toBe('worker running');
    const once = await outcome('run', '--rm', '-T', '--no-deps', 'worker', 'sh', '-c', 'echo once; exit 4');
    expect([once.code, once.stdout]).toEqual([4, 'once\n']);
    expect((await compose('ps', '-aq')).split('\n')).toHaveLength(4);
    expect(await compose('logs', '--no-color', 'web', 'db')).toBe('');
    const missing = file('x').replace('image: busybox', 'image: 127.0.0.1:1/none');
    writeFileSync(join(folder, 'missing.yaml'), missing);
    const pull = await outcome('-f', 'missing.yaml', 'pull', 'db');
    expect([pull.code, pull.stderr]).toEqual([18, expect.stringContaining('connection refused')]);
  }, 120_000);

  test('events; down -v leaves nothing', async () => {
    const events = daemon.open('docker', ['compose', '-f', join(folder, 'compose.yaml'), 'events', '--json']);
    try {
      // The subscription begins some time after the start: an event of every second is one of them.
      await until('an event of web', async () => {
        await compose('restart', '-t', '5', 'web');
        return events.output().includes('"action":"restart"');
      });
    } finally {
      events.signal('SIGKILL');
      await events.exited();
    }
    await compose('--profile', 'extra', 'down', '-v');
    expect(await daemon.ok('docker', ['ps', '-aq'])).toBe('');
    expect(await daemon.ok('docker', ['network', 'ls', '-qf', 'type=custom'])).toBe('');
    expect(await daemon.ok('docker', ['volume', 'ls', '-q'])).toBe('');
  }, 60_000);
});
