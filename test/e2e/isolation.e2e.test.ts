/** What a container may and may not do: Docker's defaults. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const sh = (script: string, ...flags: string[]) =>
  daemon.ok('tare', ['run', '--rm', ...flags, 'busybox', 'sh', '-c', script]);
const status = (field: string, ...flags: string[]) =>
  sh(`grep '^${field}:' /proc/self/status | tr -d '\\t' | cut -d: -f2`, ...flags);

/** The 14 that Docker leaves: chown, dac_override, fowner, fsetid, kill, setgid, setuid, setpcap, net_bind_service, … */
const DEFAULT_CAPABILITIES = '00000000a80425fb';

/** Capabilities that this process could give at all. */
const bounding = /^CapBnd:\s+(\S+)/m.exec(readFileSync('/proc/self/status', 'utf8'))![1]!;
const within = (mask: string) =>
  (BigInt(`0x${mask}`) & BigInt(`0x${bounding}`)).toString(16).padStart(16, '0');

test('namespaces of its own', async () => {
  const names = ['pid', 'mnt', 'ipc', 'uts', 'net'];
  const own = await sh(names.map((name) => `readlink /proc/self/ns/${name}`).join(';'));
  const host = (
    await daemon.inNetwork(['sh', '-c', names.map((name) => `readlink /proc/self/ns/${name}`).join(';')])
  ).stdout
    .trim()
    .split('\n');
  for (const [index, line] of own.split('\n').entries()) expect(line).not.toBe(host[index]!);
});

test('the default capabilities, and what --cap-add and --cap-drop make of them', async () => {
  expect(await status('CapEff')).toBe(within(DEFAULT_CAPABILITIES));
  expect(await status('CapBnd')).toBe(within(DEFAULT_CAPABILITIES));
  expect(await status('CapEff', '--cap-drop', 'ALL')).toBe('0000000000000000');
  expect(await status('CapEff', '--cap-drop', 'ALL', '--cap-add', 'NET_ADMIN')).toBe('0000000000001000');
  expect(await status('CapEff', '--cap-drop', 'CHOWN')).toBe(within('00000000a80425fa'));
  expect(await status('CapEff', '-u', '1000')).toBe('0000000000000000');
});

test('--privileged and ALL give what the daemon itself has', async () => {
  expect(await status('CapEff', '--privileged')).toBe(bounding);
  expect(await status('CapEff', '--cap-add', 'ALL')).toBe(bounding);
  expect(await sh('ls /dev | wc -l', '--privileged')).not.toBe(await sh('ls /dev | wc -l'));
});

test("Docker's seccomp policy is on, and can be turned off", async () => {
  expect(await status('Seccomp')).toBe('2');
  expect(await status('Seccomp', '--security-opt', 'seccomp=unconfined')).toBe('0');
  expect(await status('Seccomp', '--privileged')).toBe('0');
  const outcome = await daemon.tare('run', '--rm', 'busybox', 'unshare', '-U', 'true');
  expect(outcome.code).not.toBe(0);
});

test('no-new-privileges when asked', async () => {
  expect(await status('NoNewPrivs')).toBe('0');
  expect(await status('NoNewPrivs', '--security-opt', 'no-new-privileges')).toBe('1');
});

test('masked and read-only paths', async () => {
  // Masked files read as /dev/null does, masked directories are empty; what this kernel lacks isn't there at all.
  const masked = '/proc/kcore /proc/keys /proc/timer_list /proc/latency_stats /proc/sched_debug';
  expect(await sh(`for f in ${masked}; do [ -e $f ] && head -c 1 $f | wc -c; done; true`)).toMatch(
    /^(0\n?)+$/,
  );
  expect(await sh('ls /proc/acpi /proc/scsi /sys/firmware 2>/dev/null | grep -v : | wc -w')).toBe('0');
  for (const path of ['/proc/sys/kernel/domainname', '/proc/sysrq-trigger', '/sys/kernel/uevent_helper']) {
    const outcome = await daemon.tare('run', '--rm', 'busybox', 'sh', '-c', `echo x > ${path}`);
    expect(outcome.stderr).toMatch(/Read-only file system|nonexistent|Permission denied/);
  }
  expect(await sh("grep ' /sys ' /proc/mounts | grep -c ' ro,'")).toBe('1');
});

test('/dev/shm of 64 MB, /dev as Docker has it', async () => {
  expect(await sh("df -k /dev/shm | tail -1 | awk '{print $2}'")).toBe('65536');
  expect(await sh("df -k /dev/shm | tail -1 | awk '{print $2}'", '--shm-size', '128m')).toBe('131072');
  const devices = (await sh('ls /dev')).split('\n');
  for (const name of [
    'fd',
    'full',
    'mqueue',
    'null',
    'ptmx',
    'pts',
    'random',
    'shm',
    'stdin',
    'tty',
    'urandom',
    'zero',
  ]) {
    expect(devices).toContain(name);
  }
  expect(devices).not.toContain('vda');
  expect((await daemon.tare('run', '--rm', 'busybox', 'mknod', '/x', 'b', '8', '0')).code).toBe(0);
  const read = await daemon.tare(
    'run',
    '--rm',
    'busybox',
    'sh',
    '-c',
    'mknod /x b 254 0 && dd if=/x of=/dev/null count=1',
  );
  expect(read.stderr).toContain('Operation not permitted');
});

test('a user other than root may listen on port 80 and ping', async () => {
  expect(
    await sh(
      'cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range',
      '-u',
      '1000',
    ),
  ).toMatch(/^0\n0\s+2147483647$/);
  await sh('timeout 1 nc -l -p 80 -e true; test $? -ne 1', '-u', '1000');
});

test('limits of memory, CPU and processes are those of the cgroup', async () => {
  const id = await daemon.ok('tare', [
    'run',
    '-d',
    '--memory',
    '64m',
    '--cpus',
    '0.5',
    '--pids-limit',
    '50',
    'busybox',
    'sleep',
    '1000',
  ]);
  const pid = await daemon.ok('tare', ['inspect', '-f', '{{.State.Pid}}', id]);
  const groups = readFileSync(`/proc/${pid}/cgroup`, 'utf8');
  const read = (controller: string, v1: string, v2: string) => {
    const line = groups.split('\n').find((text) => text.split(':')[1]?.split(',').includes(controller));
    const unified = groups
      .split('\n')
      .find((text) => text.startsWith('0::'))
      ?.slice(3);
    const path = line
      ? `/sys/fs/cgroup/${controller}${line.split(':')[2]}/${v1}`
      : `/sys/fs/cgroup${unified}/${v2}`;
    return readFileSync(path, 'utf8').trim();
  };
  expect(read('memory', 'memory.limit_in_bytes', 'memory.max')).toBe(String(64 << 20));
  expect(read('pids', 'pids.max', 'pids.max')).toBe('50');
  expect(read('cpu', 'cpu.cfs_quota_us', 'cpu.max')).toMatch(/^50000\b/);
  await daemon.ok('tare', ['rm', '-f', id]);
  const greedy = await daemon.tare(
    'run',
    '--name',
    'greedy',
    '-m',
    '16m',
    'busybox',
    'sh',
    '-c',
    'x=$(head -c 100000000 /dev/zero | tr "\\0" x); echo $x | wc -c',
  );
  expect(greedy.code).toBe(137);
  expect(await daemon.ok('tare', ['inspect', '-f', '{{.State.OOMKilled}}', 'greedy'])).toBe('true');
  await daemon.ok('tare', ['rm', 'greedy']);
});

test('ulimits and sysctls', async () => {
  expect(await sh('ulimit -n', '--ulimit', 'nofile=123:456')).toBe('123');
  expect(await sh('cat /proc/sys/net/ipv4/ip_forward', '--sysctl', 'net.ipv4.ip_forward=1')).toBe('1');
});
