/**
 * `--userns-remap`: containers whose users are others than the host's. Held against dockerd, which keeps the files of
 * layers and volumes under the host's ids: what is seen inside is the same.
 */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, until } from '../support/command.ts';
import { REFERENCE, startDaemon, type TestDaemon } from '../support/daemon.ts';

/** A user with subordinate ids, in /etc/subuid and /etc/subgid for the time of these tests. */
const USER = 'daemon';
const [BASE, COUNT] = [700_000, 65_536];
const FILES = ['/etc/subuid', '/etc/subgid'];
const before = FILES.map((path) => (existsSync(path) ? readFileSync(path, 'utf8') : undefined));

let daemon: TestDaemon;
beforeAll(async () => {
  for (const [index, path] of FILES.entries()) {
    const others = (before[index] ?? '')
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith(`${USER}:`));
    writeFileSync(path, [...others, `${USER}:${BASE}:${COUNT}`, ''].join('\n'));
  }
  daemon = await startDaemon({ isolated: true, config: { 'userns-remap': USER } });
}, 120_000);
afterAll(async () => {
  try {
    await daemon?.stop();
  } finally {
    for (const [index, path] of FILES.entries()) {
      const text = before[index];
      if (text === undefined) rmSync(path, { force: true });
      else writeFileSync(path, text);
    }
  }
}, 120_000);

const out = (...args: string[]) => daemon.ok('tare', args);
const sh = (script: string, ...flags: string[]) =>
  out('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
const idle = (...flags: string[]) => out('run', '-d', ...flags, 'busybox', 'sleep', '1000');
async function refused(...flags: string[]): Promise<string> {
  const outcome = await daemon.tare('run', '--rm', ...flags, 'busybox', 'true');
  expect(outcome.code).toBe(125);
  return outcome.stderr;
}
/** The host's user of a container's first process. */
async function userOf(id: string): Promise<number> {
  const pid = await out('inspect', '-f', '{{.State.Pid}}', id);
  return statSync(`/proc/${pid}`).uid;
}

test('root inside is somebody else outside; its files are those of root inside', async () => {
  expect((await sh('cat /proc/self/uid_map')).trim().split(/\s+/)).toEqual(['0', `${BASE}`, `${COUNT}`]);
  const id = await idle('--tmpfs', '/t', '-v', '/anonymous');
  expect(await userOf(id)).toBe(BASE);
  const made = ['/made', '/t/made', '/dev/shm/made', '/anonymous/made', '/root/made'];
  const script = `${made.map((path) => `touch ${path}; stat -c %u:%g ${path}`).join('; ')}; stat -c %u:%g / /etc/passwd /dev/shm`;
  expect((await out('exec', id, 'sh', '-c', script)).split('\n')).toEqual(Array(8).fill('0:0'));
  expect(
    await out(
      'exec',
      '-u',
      'nobody',
      id,
      'sh',
      '-c',
      'touch /t/n 2>/dev/null; id -u; touch /tmp/x; stat -c %u /tmp/x',
    ),
  ).toBe('65534\n65534');
  expect(
    await out(
      'exec',
      id,
      'sh',
      '-c',
      'chown 1000:2000 /made; stat -c %u:%g /made; echo more >> /etc/hosts && echo ok',
    ),
  ).toBe('1000:2000\nok');
  await out('rm', '-f', '-v', id);
});

test('network, ports and names are wired into the namespace that the runtime made', async () => {
  const server = ['busybox', 'sh', '-c', 'echo hello > /tmp/index.html; exec httpd -f -p 80 -h /tmp'];
  const id = await out('run', '-d', '-p', '8090:80', ...server);
  const address = await out('inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', id);
  expect(await out('exec', id, 'cat', '/etc/hosts')).toContain(address);
  expect(await out('exec', id, 'ip', 'addr', 'show', 'eth0')).toContain(`inet ${address}/`);
  expect(await out('exec', id, 'ip', 'addr', 'show', 'lo')).toContain('inet 127.0.0.1/8');
  const get = (url: string) => daemon.inNetwork(['timeout', '3', 'busybox', 'wget', '-q', '-O', '-', url]);
  await until(
    'the port answers',
    async () => (await get('http://127.0.0.1:8090/')).stdout === 'hello\n',
    15_000,
  );
  expect(await sh(`wget -q -O - http://${address}/`)).toBe('hello');
  expect(
    await sh(`wget -q -O - http://127.0.0.1/; readlink /proc/self/ns/user`, '--net', `container:${id}`),
  ).toBe(`hello\n${await out('exec', id, 'readlink', '/proc/self/ns/user')}`);
  expect(await sh('ls /sys/class/net', '--net', 'none')).toBe('lo');
  await out('restart', '-t', '0', id);
  await until(
    'the port answers again',
    async () => (await get('http://127.0.0.1:8090/')).stdout === 'hello\n',
    15_000,
  );
  if (!REFERENCE) {
    await daemon.kill9();
    await daemon.start();
    expect((await get('http://127.0.0.1:8090/')).stdout).toBe('hello\n');
  }
  await out('rm', '-f', id);
  expect((await get('http://127.0.0.1:8090/')).code).not.toBe(0);
});

test("volumes are shared with containers of the host's users; binds keep the host's ids", async () => {
  await sh('touch /v/a; chown 5:6 /v/a', '-v', 'shared:/v');
  expect(await sh('stat -c %u:%g /v/a', '-v', 'shared:/v')).toBe('5:6');
  const filled = await sh('stat -c %u:%g /x /x/passwd', '-v', 'filled:/etc', '-v', 'filled:/x');
  expect(filled).toBe('0:0\n0:0');
  // dockerd keeps a volume with the ids outside, so that only here both see the same.
  if (!REFERENCE) expect(await sh('stat -c %u:%g /v/a', '-v', 'shared:/v', '--userns', 'host')).toBe('5:6');
  const bind = join(daemon.root, 'bind');
  await must(['mkdir', '-m', '777', bind]);
  expect(await sh('touch /b/x; stat -c %u /b /b/x', '-v', `${bind}:/b`)).toBe('65534\n0');
  expect(statSync(join(bind, 'x')).uid).toBe(BASE);
  await out('volume', 'rm', 'shared', 'filled');
});

test('cp, commit and export have the ids that are inside', async () => {
  const id = await idle();
  await out('exec', id, 'sh', '-c', 'mkdir /d; echo text > /d/f; chown 5:6 /d/f; rm /etc/group');
  const list = async (args: string[]) => {
    const [program, ...rest] = daemon.argvOf('tare', args);
    const line = `${[program, ...rest].join(' ')} | tar --numeric-owner -tv | grep ' \\(./\\)\\?d/f$'`;
    return (await must(['sh', '-c', line], { env: daemon.env() })).trim();
  };
  // dockerd's cp gives the host's numbers.
  if (!REFERENCE) expect(await list(['cp', `${id}:/d`, '-'])).toContain(' 5/6 ');
  expect(await list(['export', id])).toContain(' 5/6 ');
  await out('commit', id, 'committed');
  const script = 'stat -c %u:%g /d /d/f; test -e /etc/group || echo gone';
  expect(await out('run', '--rm', 'committed', 'sh', '-c', script)).toBe('0:0\n5:6\ngone');
  if (!REFERENCE) {
    expect(await out('run', '--rm', '--userns', 'host', 'committed', 'sh', '-c', script)).toBe(
      '0:0\n5:6\ngone',
    );
  }
  const file = join(daemon.root, 'in');
  writeFileSync(file, 'in');
  await out('cp', file, `${id}:/d/in`);
  await out('cp', '-a', file, `${id}:/d/kept`);
  expect(await out('exec', id, 'stat', '-c', '%u:%g', '/d/in', '/d/kept')).toBe('0:0\n0:0');
  await out('stop', '-t', '0', id);
  await out('cp', file, `${id}:/d/stopped`);
  if (!REFERENCE) expect(await list(['cp', `${id}:/d`, '-'])).toContain(' 5/6 ');
  await out('start', id);
  expect(await out('exec', id, 'stat', '-c', '%u:%g', '/d/stopped')).toBe('0:0');
  await out('rm', '-f', id);
  await out('rmi', 'committed');
});

test('--userns host opts out; what needs the host is refused', async () => {
  const id = await idle('--userns', 'host');
  // dockerd wants capabilities that a machine without CAP_SYS_RESOURCE cannot give.
  const privileged = REFERENCE ? [] : ['--privileged'];
  expect(await userOf(id)).toBe(0);
  await out('rm', '-f', id);
  expect(await sh('echo ok', '--userns', 'host', ...privileged, '--net', 'host', '--pid', 'host')).toBe('ok');
  expect(await refused('--privileged')).toMatch(/privileged mode is incompatible with user namespaces/i);
  expect(await refused('--net', 'host')).toMatch(
    /cannot share the host's network namespace when user namespaces are enabled/i,
  );
  expect(await refused('--pid', 'host')).toMatch(
    /cannot share the host PID namespace when user namespaces are enabled/i,
  );
  expect(await out('info', '-f', '{{json .SecurityOptions}}')).toContain('"name=userns"');
});

test('init, terminals, read-only roots, shared ipc, health of limits and ends', async () => {
  expect(await sh('echo ok', '--init', '--read-only', '--memory', '64m', '--pids-limit', '20')).toBe('ok');
  expect((await daemon.tare('run', '--rm', 'busybox', 'sh', '-c', 'exit 7')).code).toBe(7);
  const terminal = daemon.terminal('tare', ['run', '--rm', '-it', 'busybox', 'sh', '-c', 'tty; id -u']);
  expect(await terminal.exited()).toBe(0);
  expect(terminal.output()).toContain('/dev/pts/0\r\n0');
  const id = await idle('--ipc', 'shareable');
  await sh('echo x > /dev/shm/f', '--ipc', `container:${id}`);
  expect(await out('exec', id, 'stat', '-c', '%u', '/dev/shm/f')).toBe('0');
  await out('pause', id);
  await out('unpause', id);
  await out('stop', '-t', '0', id);
  await out('rm', id);
});

test('--userns keep-id: who calls is the same user inside, with the daemon mapping around', async () => {
  if (REFERENCE) return;
  const kept = ['--userns', 'keep-id:uid=4242,gid=4343'];
  const bind = join(daemon.root, 'kept');
  await must(['mkdir', bind]);
  await must(['chown', '4242:4343', bind]);
  const script = 'id -u; id -g; touch /b/made && stat -c %u:%g /b /b/made / /etc/passwd; echo x > /tmp/f';
  expect(await sh(script, ...kept, '-v', `${bind}:/b`)).toBe('4242\n4343\n4242:4343\n4242:4343\n0:0\n0:0');
  expect(statSync(join(bind, 'made'))).toMatchObject({ uid: 4242, gid: 4343 });
  const id = await idle(...kept, '-u', 'root', '-v', 'kept:/v');
  expect(await userOf(id)).toBe(BASE);
  expect(await out('exec', '-u', '4242', id, 'id', '-u')).toBe('4242');
  await out('exec', id, 'sh', '-c', 'touch /v/mine /mine; chown 4242 /v/mine /mine');
  const place = await out('volume', 'inspect', '-f', '{{.Mountpoint}}', 'kept');
  expect(statSync(join(place, 'mine')).uid).toBe(4242);
  await out('commit', id, 'kept-image');
  const seen = ['run', '--rm', '--userns', 'host', 'kept-image', 'stat', '-c', '%u', '/mine'];
  expect(await out(...seen)).toBe('4242');
  await out('rm', '-f', id);
  await out('volume', 'rm', 'kept');
  await out('rmi', 'kept-image');
  // The caller of these tests is root.
  expect(await sh('id -u; cut -c 1-32 /proc/self/uid_map | head -n 1', '--userns', 'keep-id')).toMatch(
    /^0\n +0 +0 +1$/,
  );
  expect(await refused('--userns', 'keep-id', '--privileged')).toContain('incompatible with user namespaces');
});

test('layers kept as directories are translated as well', async () => {
  if (REFERENCE) return;
  const args = ['--storage-driver', 'overlay'];
  await using other = await startDaemon({ isolated: true, args, config: { 'userns-remap': USER } });
  const script = 'stat -c %u:%g / /etc/passwd; rm /etc/group; echo x >> /etc/passwd; chown 5:6 /etc/passwd';
  await other.ok('tare', ['run', '--name', 'writer', 'busybox', 'sh', '-c', script]);
  expect(await other.ok('tare', ['logs', 'writer'])).toBe('0:0\n0:0');
  await other.ok('tare', ['commit', 'writer', 'written']);
  const look = 'stat -c %u:%g /etc/passwd; test -e /etc/group || echo gone';
  expect(await other.ok('tare', ['run', '--rm', 'written', 'sh', '-c', look])).toBe('5:6\ngone');
});
