/** BuildKit's protocol: Debian 13's docker-buildx and docker-compose drive our builder. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, lstatSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type DockerPlugin, dockerPlugin } from '../../scripts/images/docker-plugin.ts';
import { messageOf } from '../../src/base/errors.ts';
import { must, type Outcome, type RunOptions, run as runProgram, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { TestRegistry } from '../support/registry-server.ts';

async function plugin(name: DockerPlugin): Promise<string | undefined> {
  return dockerPlugin(name).catch((error: unknown) => {
    console.error(`${name} is not tested: its package cannot be fetched: ${messageOf(error)}`);
    return undefined;
  });
}

const buildx = await plugin('docker-buildx');
const compose = await plugin('docker-compose');

describe.skipIf(buildx === undefined)('the docker-buildx of Debian 13', () => {
  let daemon: TestDaemon;
  let registry: TestRegistry;
  let folder: string;

  beforeAll(async () => {
    daemon = await startDaemon();
    registry = await TestRegistry.start();
    const plugins = join(daemon.env().DOCKER_CONFIG!, 'cli-plugins');
    mkdirSync(plugins);
    symlinkSync(buildx!, join(plugins, 'docker-buildx'));
    if (compose !== undefined) symlinkSync(compose, join(plugins, 'docker-compose'));
    folder = join(daemon.root, 'work');
    mkdirSync(folder);
  }, 120_000);
  afterAll(async () => {
    await registry?.[Symbol.asyncDispose]();
    await daemon?.stop();
  }, 120_000);

  let made = 0;
  /** A directory with files; their names may have slashes. */
  function context(files: Record<string, string>): string {
    const place = join(folder, `c${++made}`);
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(place, name, '..'), { recursive: true });
      writeFileSync(join(place, name), text);
    }
    return place;
  }

  const docker = (args: readonly string[], options: RunOptions = {}): Promise<Outcome> =>
    daemon.client('docker', args, { cwd: folder, ...options });
  /** What a build says, line by line. */
  async function build(...args: string[]): Promise<string> {
    const { code, stderr } = await docker(['build', '--progress', 'plain', ...args]);
    if (code !== 0) throw new Error(`${stderr}\n${daemon.log()}`);
    return stderr;
  }
  async function failing(...args: string[]): Promise<string> {
    const { code, stderr } = await docker(['build', '--progress', 'plain', ...args]);
    expect(code).not.toBe(0);
    return stderr;
  }
  const inImage = (image: string, ...argv: string[]) =>
    daemon.ok('docker', ['run', '--rm', '--net', 'none', image, ...argv]);

  test('docker build: without further ado, cached the second time, only what has changed travels', async () => {
    const noise = 'x'.repeat(300_000);
    const place = context({
      Dockerfile:
        'FROM busybox\nWORKDIR /w\nCOPY . .\nRUN echo built > made && echo said $((40 + 2))\nCMD ["cat", "made"]\n',
      'a.txt': 'one',
      'big/noise': noise,
      'left/out': 'not sent',
      '.dockerignore': 'left\n',
    });
    const first = await build('-t', 'bk:1', '--label', 'a=b', place);
    expect(first).toContain('[internal] load build definition from Dockerfile');
    expect(first).toMatch(/transferring context: 30\d\.\d+kB/);
    expect(first).toContain('said 42');
    expect(first).toMatch(/naming to docker\.io\/library\/bk:1 done/);
    expect(await inImage('bk:1')).toBe('built');
    expect(await inImage('bk:1', 'ls', '/w')).toBe('Dockerfile\na.txt\nbig\nmade');
    expect(await daemon.ok('docker', ['inspect', '-f', '{{.Config.Labels}}', 'bk:1'])).toBe('map[a:b]');
    const second = await build('-t', 'bk:1', place);
    expect(second).not.toContain('said 42');
    expect(second).toContain('CACHED');
    expect(second).not.toMatch(/transferring context: [\d.]+[kM]B/);
    writeFileSync(join(place, 'a.txt'), 'two');
    const third = await build('-t', 'bk:1', place);
    expect(third).toContain('said 42');
    expect(third).not.toMatch(/transferring context: [\d.]+[kM]B/);
    expect(await inImage('bk:1', 'cat', '/w/a.txt')).toBe('two');
  }, 60_000);

  test('links, hard links, modes and names of the context arrive as they are', async () => {
    const place = context({
      Dockerfile: 'FROM busybox\nCOPY . /c\n',
      'dir/original': 'same',
      'dir/größe': 'umlaut',
      script: '#!/bin/sh\n',
    });
    symlinkSync('dir/original', join(place, 'link'));
    symlinkSync('/etc/passwd', join(place, 'outside'));
    await must(['ln', join(place, 'dir/original'), join(place, 'dir/second')]);
    await must(['chmod', '755', join(place, 'script')]);
    await build('-t', 'bk:links', place);
    const lines = await inImage(
      'bk:links',
      'sh',
      '-c',
      'cd /c; readlink link; readlink outside; cat dir/*; stat -c %a script',
    );
    expect(lines).toBe('dir/original\n/etc/passwd\numlautsamesame755');
  }, 60_000);

  test('a step that fails, a word that is none: the lines of the Dockerfile, and nothing is tagged', async () => {
    const place = context({
      Dockerfile: 'FROM busybox\nRUN echo first\nRUN echo words; exit 3\nRUN echo never\n',
      Wrong: '# a comment\nFROM busybox\nRUNN true\n',
    });
    const failed = await failing('-t', 'bk:bad', place);
    expect(failed).toContain('Dockerfile:3\n');
    expect(failed).toContain('   3 | >>> RUN echo words; exit 3');
    expect(failed).toContain(
      'process "/bin/sh -c echo words; exit 3" did not complete successfully: exit code: 3',
    );
    expect(failed).not.toContain('echo never\n#');
    const wrong = await failing('-t', 'bk:bad', '-f', join(place, 'Wrong'), place);
    expect(wrong).toContain('Wrong:3');
    expect(wrong).toContain('unknown instruction: RUNN (did you mean RUN?)');
    expect((await docker(['inspect', 'bk:bad'])).code).toBe(1);
    const absent = await failing('-f', join(place, 'Absent'), place);
    expect(absent).toContain('no such file or directory');
  }, 60_000);

  test('arguments, targets, ulimits, hosts and networks reach the steps', async () => {
    const place = context({
      Dockerfile: `# syntax=docker/dockerfile:1
FROM busybox AS base
ARG WHO=nobody
RUN echo $WHO > /who; ulimit -n > /limit; grep -c 10.9.8.7 /etc/hosts > /hosts; ls /sys/class/net > /net
FROM base AS other
RUN exit 1
`,
    });
    await build(
      ...['-t', 'bk:args', '--target', 'base', '--build-arg', 'WHO=me', '--ulimit', 'nofile=1000:1000'],
      ...['--add-host', 'peer:10.9.8.7', '--network', 'none', '--shm-size', '32m', place],
    );
    expect(await inImage('bk:args', 'cat', '/who', '/limit', '/hosts', '/net')).toBe('me\n1000\n1\nlo');
  }, 60_000);

  test('the Dockerfile, or all of it, from standard input', async () => {
    const place = context({ 'in.txt': 'inside' });
    const text = 'FROM busybox\nCOPY in.txt /\n';
    const both = join(folder, 'both.tar');
    const whole = context({ Dockerfile: text, 'in.txt': 'of the tar' });
    await must(['tar', '-C', whole, '-cf', both, '.']);
    const ran = await docker(['build', '-t', 'bk:stdin', '-f', '-', place], { input: text });
    expect([ran.code, await inImage('bk:stdin', 'cat', '/in.txt')]).toEqual([0, 'inside']);
    const tar = await docker(['build', '-t', 'bk:tar', '-'], { input: readFileSync(both) });
    expect([tar.code, await inImage('bk:tar', 'cat', '/in.txt')]).toEqual([0, 'of the tar']);
    const alone = await docker(['build', '-t', 'bk:alone', '-'], {
      input: 'FROM busybox\nRUN echo alone > /x\n',
    });
    expect([alone.code, await inImage('bk:alone', 'cat', '/x')]).toEqual([0, 'alone']);
  }, 60_000);

  test('secrets, named contexts, stages of no cache', async () => {
    const secret = `hidden-${crypto.randomUUID()}`;
    const place = context({
      Dockerfile: `FROM busybox AS base
RUN --mount=type=secret,id=token,required sha256sum < /run/secrets/token > /sum; cat /proc/sys/kernel/random/uuid > /when
FROM other AS last
COPY --from=base /sum /when /
COPY --from=files note /
COPY --from=image /bin/busybox /again
`,
      token: secret,
    });
    const files = context({ note: 'named', left: 'out', '.dockerignore': 'left' });
    const args = [
      ...[
        '-t',
        'bk:named',
        '--secret',
        `id=token,src=${join(place, 'token')}`,
        '--build-context',
        `files=${files}`,
      ],
      ...[
        '--build-context',
        'other=docker-image://busybox',
        '--build-context',
        'image=docker-image://busybox',
      ],
    ];
    writeFileSync(join(place, '.dockerignore'), 'token\n');
    await build(...args, place);
    const sum = new Bun.CryptoHasher('sha256').update(secret).digest('hex');
    expect(await inImage('bk:named', 'cat', '/sum', '/note')).toBe(`${sum}  -\nnamed`);
    const when = await inImage('bk:named', 'cat', '/when');
    await build(...args, place);
    expect(await inImage('bk:named', 'cat', '/when')).toBe(when);
    await build(...args, '--no-cache-filter', 'base', place);
    expect(await inImage('bk:named', 'cat', '/when')).not.toBe(when);
    expect(await failing('-t', 'bk:x', '--no-cache', ...args.slice(4), place)).toContain('token');
    const found = await must([
      'sh',
      '-c',
      `grep -rlaF ${secret} ${daemon.dataRoot} ${daemon.execRoot} || true`,
    ]);
    expect(found).toBe('');
  }, 60_000);

  test('the ssh agent of the client', async () => {
    const agent = join(folder, 'agent');
    const key = join(folder, 'key');
    const process = Bun.spawn(['ssh-agent', '-D', '-a', agent], { stdout: 'ignore', stderr: 'ignore' });
    try {
      await must(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'of the test', '-f', key]);
      await until('the agent listens', async () => existsSync(agent));
      await must(['ssh-add', key], { env: { SSH_AUTH_SOCK: agent } });
      const place = await contextWithSshAdd();
      const said = await build('--ssh', `default=${agent}`, '--no-cache', place);
      expect(said).toContain('of the test (ED25519)');
      expect(await failing('--no-cache', place)).toMatch(/ssh|agent/);
    } finally {
      process.kill();
      await process.exited;
    }
  }, 60_000);

  /** The host's own ssh-add, with the libraries that it needs. */
  async function contextWithSshAdd(): Promise<string> {
    const place = context({
      Dockerfile: 'FROM busybox\nCOPY root /\nRUN --mount=type=ssh,required /usr/bin/ssh-add -l\n',
    });
    const libraries = (await must(['ldd', '/usr/bin/ssh-add'])).match(/\/\S+/g) ?? [];
    for (const path of ['/usr/bin/ssh-add', ...libraries]) {
      mkdirSync(join(place, 'root', path, '..'), { recursive: true });
      await must(['cp', '-L', path, join(place, 'root', path)]);
    }
    return place;
  }

  test('outputs: a directory, a tar, an OCI and a docker archive', async () => {
    const place = context({
      Dockerfile:
        'FROM busybox AS b\nRUN mkdir -p /d/e && echo deep > /d/e/f && ln -s e/f /d/l && dd if=/dev/zero of=/d/big bs=1M count=3\nFROM scratch\nCOPY --from=b /d /d\n',
    });
    const out = join(folder, 'out');
    await build('-o', out, place);
    expect(readFileSync(join(out, 'd/e/f'), 'utf8')).toBe('deep\n');
    expect(readFileSync(join(out, 'd/l'), 'utf8')).toBe('deep\n');
    expect(lstatSync(join(out, 'd/big')).size).toBe(3 << 20);
    await build('-o', `type=tar,dest=${out}.tar`, place);
    expect(await must(['tar', '-xOf', `${out}.tar`, '--wildcards', '*d/e/f'])).toBe('deep');
    for (const type of ['oci', 'docker']) {
      const archive = `${out}.${type}`;
      await build('-t', `bk:${type}`, '-o', `type=${type},dest=${archive}`, place);
      const loaded = await daemon.ok('tare', ['load', '-i', archive]);
      expect(loaded).toBe(`Loaded image: bk:${type}`);
    }
  }, 60_000);

  test('--iidfile, --metadata-file, --quiet; a push to a registry', async () => {
    const place = context({ Dockerfile: 'FROM busybox\nRUN echo pushed > /p\n' });
    const name = `${registry.host}/team/app:1`;
    const [iid, metadata] = [join(folder, 'iid'), join(folder, 'metadata')];
    await build('-t', name, '--iidfile', iid, '--metadata-file', metadata, place);
    const id = await daemon.ok('docker', ['inspect', '-f', '{{.Id}}', name]);
    expect(readFileSync(iid, 'utf8')).toBe(id);
    expect(JSON.parse(readFileSync(metadata, 'utf8'))).toMatchObject({
      'containerimage.config.digest': id,
      'image.name': name,
    });
    const quiet = await docker(['build', '-q', place]);
    expect(quiet.stdout.trim()).toBe(id);
    await build('-t', name, '--push', place);
    await daemon.ok('docker', ['rmi', name]);
    await daemon.ok('docker', ['pull', name]);
    expect(await inImage(name, 'cat', '/p')).toBe('pushed');
  }, 60_000);

  test('caches: in the image, and as one of its own in a registry', async () => {
    const place = context({
      Dockerfile: 'FROM busybox\nRUN cat /proc/sys/kernel/random/uuid > /when\nRUN echo second > /second\n',
    });
    const when = (image: string) => inImage(image, 'cat', '/when');
    for (const type of ['inline', 'registry']) {
      const name = `${registry.host}/cache/${type}:1`;
      const cache = `${registry.host}/cache/${type}-cache:1`;
      const to = type === 'inline' ? 'type=inline' : `type=registry,ref=${cache},mode=max`;
      await build('-t', name, '--push', '--no-cache', '--cache-to', to, place);
      const first = await when(name);
      await daemon.ok('docker', ['rmi', name]);
      await daemon.ok('docker', ['builder', 'prune', '-af']);
      const from = type === 'inline' ? name : cache;
      const again = await build('-t', 'bk:again', '--cache-from', from, place);
      expect(again).toContain(`importing cache manifest from ${from}`);
      expect(await when('bk:again')).toBe(first);
      await daemon.ok('docker', ['rmi', 'bk:again']);
    }
    const absent = await build('--cache-from', `${registry.host}/cache/none`, place);
    expect(absent).toContain('importing cache manifest from');
    expect(await failing('--cache-to', 'type=local,dest=/tmp/nowhere', place)).toContain(
      '--cache-to type=local is not supported here',
    );
  }, 60_000);

  test('what cannot be done says so', async () => {
    const place = context({ Dockerfile: 'FROM busybox\n' });
    expect(await failing('--platform', 'linux/amd64,linux/arm64', place)).toContain(
      'building for several platforms at once (linux/amd64,linux/arm64) is not supported',
    );
    expect(await failing('--build-arg', 'BUILDKIT_SYNTAX=example.com/other', place)).toContain(
      'frontend example.com/other is not supported',
    );
  }, 60_000);

  test('Ctrl-C ends the step and leaves nothing', async () => {
    const place = context({ Dockerfile: 'FROM busybox\nRUN echo begun; sleep 1000\n' });
    const running = daemon.open('docker', ['build', '--progress', 'plain', '-t', 'bk:slow', place]);
    await until('the step runs', async () => running.output().includes('begun'));
    running.signal('SIGINT');
    expect(await running.exited()).not.toBe(0);
    await until('its container is gone', async () => (await daemon.ids()).length === 0);
    expect((await docker(['inspect', 'bk:slow'])).code).toBe(1);
  }, 60_000);

  test('two builds of one context at once', async () => {
    const place = context({
      Dockerfile: 'FROM busybox\nARG N\nCOPY f /f\nRUN echo $N > /n\n',
      f: 'x'.repeat(100_000),
    });
    await Promise.all([1, 2, 3].map((n) => build('-t', `bk:at-once-${n}`, '--build-arg', `N=${n}`, place)));
    for (const n of [1, 2, 3]) expect(await inImage(`bk:at-once-${n}`, 'cat', '/n')).toBe(String(n));
  }, 60_000);

  test('buildx ls, inspect, du, prune', async () => {
    const buildxOf = (...args: string[]) => daemon.ok('docker', ['buildx', ...args]);
    expect(await buildxOf('ls')).toMatch(/default.*running.*linux\/amd64/);
    expect(await buildxOf('inspect')).toContain('Driver:        docker');
    expect(await buildxOf('du')).toContain('Total:');
    expect(await buildxOf('prune', '-f')).toContain('Total:');
  }, 60_000);

  test('buildx bake: the result of one target is a context of another', async () => {
    const place = context({
      Dockerfile: 'FROM busybox\nRUN echo of the first > /first\n',
      'bake.hcl': `
target "first" {}
target "second" {
  contexts = { base = "target:first" }
  dockerfile-inline = "FROM base\\nRUN cat /first > /second"
  tags = ["bk:bake"]
}
`,
    });
    await daemon.ok('docker', ['buildx', 'bake', '-f', 'bake.hcl', 'second'], { cwd: place });
    expect(await inImage('bk:bake', 'cat', '/second')).toBe('of the first');
  }, 60_000);

  test.skipIf(compose === undefined)(
    'docker compose build',
    async () => {
      const place = context({
        'a/Dockerfile': 'FROM busybox\nCOPY f /f\nCMD ["cat", "/f"]\n',
        'a/f': 'of a',
        'compose.yaml': `
services:
  a: { build: a, image: "bk/a", network_mode: none }
  b: { build: { context: a, dockerfile_inline: "FROM busybox\\nRUN echo of b > /f\\n" }, image: "bk/b" }
`,
      });
      await daemon.ok('docker', ['compose', 'build'], { cwd: place });
      expect(await inImage('bk/a')).toBe('of a');
      expect(await inImage('bk/b', 'cat', '/f')).toBe('of b');
      expect(await daemon.ok('docker', ['compose', 'run', '--rm', '-T', 'a'], { cwd: place })).toContain(
        'of a',
      );
      await daemon.ok('docker', ['compose', 'down'], { cwd: place });
    },
    90_000,
  );

  test('a connection that is no HTTP/2 harms nobody', async () => {
    const socket = connect(daemon.socket);
    socket.on('error', () => {});
    socket.write('POST /grpc HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
    socket.write('no preface of HTTP/2, and no frames either, however long this is');
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      socket.resume();
      setTimeout(() => socket.destroy(), 1000);
    });
    expect((await daemon.request('POST', '/grpc')).status).toBe(400);
    expect((await daemon.request('GET', '/_ping')).headers.get('builder-version')).toBe('2');
    expect(existsSync(daemon.socket)).toBe(true);
    rmSync(folder, { recursive: true, force: true });
  }, 30_000);
});

/** Debian 12's own client, which asks for such a build by the classic API when the daemon offers BuildKit. */
const OLD = '/usr/bin/docker';
const old = existsSync(OLD) && (await must([OLD, '--version'])).includes('version 20.10.');

describe.skipIf(!old)('the docker CLI 20.10', () => {
  test('docker build, without further ado, and a step that fails', async () => {
    await using daemon = await startDaemon();
    const place = join(daemon.root, 'old');
    mkdirSync(place);
    const dockerfile = 'FROM busybox\nARG WHO\nCOPY note /\nRUN echo $WHO >> /note\nCMD ["cat", "/note"]\n';
    writeFileSync(join(place, 'Dockerfile'), dockerfile);
    writeFileSync(join(place, 'note'), 'from a session\n');
    const run = (...args: string[]) => runProgram([OLD, ...args], { env: daemon.env(), cwd: place });
    const built = await run('build', '-t', 'old:1', '--build-arg', 'WHO=me', '--label', 'a=b', '.');
    expect([built.code, built.stderr]).toEqual([0, expect.stringContaining('load build context')]);
    expect(await daemon.ok('docker', ['run', '--rm', '--net', 'none', 'old:1'])).toBe('from a session\nme');
    writeFileSync(join(place, 'Dockerfile'), 'FROM busybox\nRUN exit 5\n');
    const failed = await run('build', '.');
    expect([failed.code, failed.stderr]).toEqual([1, expect.stringContaining('exit code: 5')]);
  }, 60_000);
});
