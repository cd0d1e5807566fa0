/**
 * The mission, line by line, once as `tare` and once as the stock `docker`, against images named nginx, postgres and
 * busybox. A line that a later part brings stands in OFF, is printed, and is turned on by that part.
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { once } from 'node:events';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { haveApp } from '../../../scripts/images/make-app-image.ts';
import { must, until } from '../../support/command.ts';
import { startDaemon, type TestDaemon } from '../../support/daemon.ts';
import { startDockerRegistry } from '../../support/docker-registry.ts';

const OFF: ReadonlyArray<readonly [line: string, part: string]> = [];

/** The path of the mission's bind mount. */
const CODEBASE = '/local/codebase';

let daemon: TestDaemon;
const LONG = 300_000;

/** Stands for example.com: daemon and clients ask it for what is not on this machine. */
let proxy: Server;
let throughProxy: Record<string, string>;

beforeAll(async () => {
  proxy = createServer((request, response) => {
    const found = request.url === 'http://example.com/context/Dockerfile';
    response.writeHead(found ? 200 : 404, { 'Content-Type': 'text/plain' });
    response.end(found ? 'FROM busybox\nRUN echo fetched > /from\nCMD ["cat", "/from"]\n' : 'no');
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const address = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  throughProxy = { HTTP_PROXY: address, http_proxy: address };
  daemon = await startDaemon({ env: throughProxy });
  const client = (args: readonly string[]) => daemon.ok('tare', args, { timeout: 900_000 });
  for (const name of ['nginx', 'postgres'] as const) await haveApp(name, client);
  for (const [line, part] of OFF) console.log(`off: ${line} (${part})`);
}, 900_000);
afterAll(async () => {
  proxy?.close();
  await daemon?.stop();
}, 120_000);

describe.each(['tare', 'docker'] as const)('as %s', (client) => {
  const out = (line: string): Promise<string> => daemon.ok(client, words(line), { timeout: LONG });
  const fails = (line: string) => daemon.client(client, words(line), { timeout: LONG });
  const inspect = (name: string, format: string): Promise<string> =>
    daemon.ok(client, ['inspect', '-f', format, name]);
  const running = (name: string): Promise<string> => inspect(name, '{{.State.Running}}');

  test(
    'builds',
    async () => {
      const source = join(daemon.root, `source-${client}`);
      mkdirSync(join(source, 'docker'), { recursive: true });
      writeFileSync(join(source, 'app.sh'), 'echo application\n');
      writeFileSync(join(source, 'Dockerfile'), 'FROM busybox\nCOPY app.sh /\nCMD ["sh", "/app.sh"]\n');
      writeFileSync(
        join(source, 'docker/Dockerfile.prod'),
        'FROM busybox AS build\nRUN echo production > /made\nFROM busybox\nCOPY --from=build /made /\nCMD ["cat", "/made"]\n',
      );
      // Docker's own builder without a plugin; `tare build` needs no such word.
      const build = async (line: string): Promise<void> => {
        const outcome = await daemon.client(client, words(line), {
          cwd: source,
          timeout: LONG,
          env: { ...throughProxy, DOCKER_BUILDKIT: '0' },
        });
        expect(outcome.code, outcome.stderr).toBe(0);
      };
      await build('build -t my-org/application:latest .');
      expect(await out('run --rm my-org/application:latest')).toBe('application');
      await build(`build -f ./docker/Dockerfile.prod -t my-org/application:prod ${source}`);
      expect(await out('run --rm my-org/application:prod')).toBe('production');
      await build('build -t my-org/application http://example.com/context/Dockerfile');
      expect(await out('run --rm my-org/application')).toBe('fetched');
      await out('rmi my-org/application:latest my-org/application:prod');
    },
    LONG,
  );

  test(
    'image commands',
    async () => {
      const file = join(daemon.root, `${client}.tar`);
      expect(await out('image ls')).toContain('nginx');
      expect(JSON.parse(await out('image inspect nginx'))[0].RepoTags).toContain('nginx:latest');
      expect(await out('pull busybox')).toContain('busybox:latest');
      await out('tag nginx my-nginx:1');
      const id = await inspect('nginx', '{{.Id}}');
      await out(`save -o ${file} my-nginx:1`);
      await out('image rm my-nginx:1');
      expect(await out(`load -i ${file}`)).toContain('Loaded image: my-nginx:1');
      expect(await inspect('my-nginx:1', '{{.Id}}')).toBe(id);
      await out('create --name exported busybox true');
      await out(`export -o ${file} exported`);
      const imported = await out(`import ${file}`);
      await out('rm exported');
      expect(await out('image prune -f')).toContain(imported);
      expect((await fails(`image inspect ${imported}`)).code).toBe(1);
      await out('rmi my-nginx:1');
    },
    LONG,
  );

  test(
    'image push',
    async () => {
      const registry = await startDockerRegistry(daemon.root, `registry-${client}`);
      try {
        const name = `${registry.host}/my-org/nginx:1`;
        const id = await inspect('nginx', '{{.Id}}');
        await out(`tag nginx ${name}`);
        const digest = /^1: digest: (sha256:[0-9a-f]{64}) size: \d+$/m.exec(
          await out(`image push ${name}`),
        )?.[1];
        await out(`rmi ${name}`);
        expect(await out(`pull ${name}`)).toContain(`Digest: ${digest}`);
        expect(await inspect(name, '{{.Id}}')).toBe(id);
        await out(`rmi ${name}`);
      } finally {
        await registry.stop();
      }
    },
    LONG,
  );

  test(
    'memory and cpu',
    async () => {
      await out('run -d --name web_core --memory="512m" --memory-swap="1g" --oom-kill-disable nginx');
      expect(await running('web_core')).toBe('true');
      expect(await inspect('web_core', '{{.HostConfig.Memory}} {{.HostConfig.MemorySwap}}')).toBe(
        '536870912 1073741824',
      );
      const limit = 'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max';
      expect((await daemon.client(client, ['exec', 'web_core', 'sh', '-c', limit])).stdout.trim()).toBe(
        '536870912',
      );
      const two = await out('run -d --cpus="2" nginx');
      const quarter = await out('run -d --cpus=".25" nginx');
      expect(await inspect(two, '{{.HostConfig.NanoCpus}}')).toBe('2000000000');
      expect(await inspect(quarter, '{{.HostConfig.NanoCpus}}')).toBe('250000000');
      expect(await running(quarter)).toBe('true');
      await out(`rm -f web_core ${two} ${quarter}`);
    },
    LONG,
  );

  test(
    'a volume outlives its container',
    async () => {
      await out('volume create app_data');
      const start =
        'run -d --name db_instance --mount source=app_data,target=/var/lib/postgresql/data postgres';
      const ask = async (sql: string) =>
        (
          await daemon.client(client, ['exec', 'db_instance', 'psql', '-U', 'postgres', '-tAc', sql])
        ).stdout.trim();
      await out(start);
      await until('the database answers', async () => (await ask('SELECT 1')) === '1', 120_000);
      expect(await ask('CREATE TABLE kept AS SELECT 42 AS n')).toContain('SELECT 1');
      await out('stop db_instance');
      await out('rm db_instance');
      await out(start);
      await until('the database answers again', async () => (await ask('SELECT 1')) === '1', 120_000);
      expect(await ask('SELECT n FROM kept')).toBe('42');
      expect((await fails('volume rm app_data')).stderr).toContain('volume is in use');
      await out('stop db_instance');
      await out('rm db_instance');
      expect(await out('volume rm app_data')).toBe('app_data');
    },
    LONG,
  );

  test(
    'bind mounts: the source must exist, and it hides what is there',
    async () => {
      const line = `run -d --name bound --mount type=bind,source=${CODEBASE},target=/usr/share/nginx/html nginx`;
      const before = existsSync('/local');
      expect(existsSync(CODEBASE)).toBe(false);
      expect((await fails(line)).stderr).toContain(`bind source path does not exist: ${CODEBASE}`);
      mkdirSync(CODEBASE, { recursive: true });
      try {
        writeFileSync(join(CODEBASE, 'index.html'), 'mine');
        await out(line);
        const address = await inspect('bound', '{{.NetworkSettings.Networks.bridge.IPAddress}}');
        const page = () => must(['busybox', 'wget', '-q', '-O', '-', `http://${address}/`]).catch(() => '');
        await until('nginx answers', async () => (await page()) === 'mine', 30_000);
        expect(await out('exec bound ls /usr/share/nginx/html')).toBe('index.html');
        await out('rm -f bound');
      } finally {
        rmSync(before ? CODEBASE : '/local', { recursive: true });
      }
    },
    LONG,
  );

  test(
    'tmpfs is in memory',
    async () => {
      const line = 'run --rm --mount type=tmpfs,target=/cache busybox';
      const shown = await daemon.ok(client, [...words(line), 'sh', '-c', 'grep " /cache " /proc/mounts']);
      expect(shown).toMatch(/^tmpfs \/cache tmpfs /);
    },
    LONG,
  );

  test(
    'networks: bridge, host, none, another container, and a custom one',
    async () => {
      const links = async (mode: string) =>
        (await out(`run --rm --net ${mode} busybox ls /sys/class/net`)).split(/\s+/).sort();
      expect(await links('bridge')).toEqual(expect.arrayContaining(['eth0', 'lo']));
      expect(await links('none')).not.toContain('eth0');
      expect(await links('host')).toContain(daemon.bridge);
      const id = await out('run -d busybox sleep 1000');
      const own = await out(`exec ${id} cat /sys/class/net/eth0/address`);
      expect(await out(`run --rm --net container:${id} busybox cat /sys/class/net/eth0/address`)).toBe(own);
      await out('network create dev_environment');
      await out('run -d --name client_a --net dev_environment busybox sleep 1000');
      await out('run -d --name client_b --net dev_environment busybox sleep 1000');
      expect(await out('exec client_a ping -c 2 client_b')).toContain('2 packets received');
      await out(`rm -f client_a client_b ${id}`);
      await out('network rm dev_environment');
    },
    LONG,
  );
});

/** Splits as the shell does that the mission's lines are typed into: blanks, double quotes. */
function words(line: string): string[] {
  return [...line.matchAll(/(?:[^\s"]|"[^"]*")+/g)].map(([word]) => word.replaceAll('"', ''));
}
