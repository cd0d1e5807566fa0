/**
 * Namespaces, names, init and security options. Held against dockerd by `TARE_TEST_ENGINE=dockerd`, in whose 20.10
 * some words were others (`REFERENCE`).
 */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { REFERENCE, startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const out = (...args: string[]) => daemon.ok('tare', args);
const sh = (script: string, ...flags: string[]) =>
  out('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);
const idle = (...flags: string[]) => out('run', '-d', ...flags, 'busybox', 'sleep', '1000');
/** What a run that must fail says; its exit code is the engine's 125 (127: a file is not there). */
async function refused(...flags: string[]): Promise<string> {
  const outcome = await daemon.tare('run', '--rm', ...flags, 'busybox', 'true');
  expect([125, 127]).toContain(outcome.code);
  return outcome.stderr;
}
const namespace = (name: string) => readlinkSync(`/proc/self/ns/${name}`);

describe('namespaces', () => {
  test('--pid host and container:', async () => {
    expect(await sh('readlink /proc/self/ns/pid', '--pid', 'host')).toBe(namespace('pid'));
    const id = await idle('--name', 'pid-owner');
    expect(await sh('tr "\\0" " " < /proc/1/cmdline', '--pid', 'container:pid-owner')).toContain(
      'sleep 1000',
    );
    expect(await refused('--pid', 'container:')).toContain('--pid: invalid PID mode');
    expect(await refused('--pid', 'container:nope')).toContain('No such container: nope');
    expect(await refused('--pid', 'what')).toContain('--pid: invalid PID mode');
    await out('stop', '-t', '0', id);
    expect(await refused('--pid', 'container:pid-owner')).toMatch(/container \w+ is not running/);
    await out('rm', id);
  });

  test('--ipc host, shareable, container:, private and none', async () => {
    expect(await sh('readlink /proc/self/ns/ipc', '--ipc', 'host')).toBe(namespace('ipc'));
    const id = await idle('--name', 'ipc-owner', '--ipc', 'shareable');
    await sh('echo there > /dev/shm/file', '--ipc', 'container:ipc-owner');
    expect(await out('exec', id, 'cat', '/dev/shm/file')).toBe('there');
    const own = await out('exec', id, 'readlink', '/proc/self/ns/ipc');
    expect(await sh('readlink /proc/self/ns/ipc', '--ipc', 'container:ipc-owner')).toBe(own);
    expect(await sh('ls /dev/shm; grep -c " /dev/shm " /proc/mounts; true', '--ipc', 'none')).toBe('0');
    const alone = await idle('--name', 'ipc-alone', '--ipc', 'private');
    expect(await refused('--ipc', 'container:ipc-alone')).toContain(
      'non-shareable IPC (hint: use IpcMode:shareable for the donor container)',
    );
    expect(await refused('--ipc', 'what')).toMatch(/invalid IPC mode: what/i);
    await out('rm', '-f', id, alone);
  });

  test('--uts host has the host name of the host, and none of its own', async () => {
    expect(await sh('readlink /proc/self/ns/uts; hostname', '--uts', 'host')).toBe(
      `${namespace('uts')}\n${hostname()}`,
    );
    expect(await refused('--uts', 'host', '--hostname', 'x')).toContain(
      'conflicting options: hostname and the UTS mode',
    );
    expect(await refused('--uts', 'host', '--domainname', 'x')).toContain(
      'sysctl "kernel.domainname" is not in a separate kernel namespace',
    );
    expect(await refused('--uts', 'what')).toContain('invalid UTS mode');
  });

  test('--cgroupns private shows the container at the root, host shows where it is', async () => {
    const last = 'tail -n 1 /proc/self/cgroup';
    expect(await sh(last, '--cgroupns', 'private')).toBe('0::/');
    expect(await sh(last, '--cgroupns', 'host')).toMatch(/^0::\/.*[0-9a-f]{64}$/);
    expect(await refused('--cgroupns', 'what')).toContain('--cgroupns: invalid CGROUP mode');
  });

  test("--sysctl of namespaces of its own; the host's are refused", async () => {
    const read = 'cat /proc/sys/kernel/msgmax /proc/sys/fs/mqueue/msg_max /proc/sys/net/ipv4/ip_forward';
    const flags = ['kernel.msgmax=1000', 'fs.mqueue.msg_max=11', 'net.ipv4.ip_forward=0'];
    expect(await sh(read, ...flags.flatMap((flag) => ['--sysctl', flag]))).toBe('1000\n11\n0');
    expect(await refused('--sysctl', 'net.ipv4.ip_forward=1', '--net', 'host')).toContain(
      'sysctl "net.ipv4.ip_forward" not allowed in host network namespace',
    );
    expect(await refused('--sysctl', 'kernel.shmmax=1', '--ipc', 'host')).toContain(
      'sysctl "kernel.shmmax" is not allowed in the hosts ipc namespace',
    );
    expect(await refused('--sysctl', 'vm.swappiness=1')).toContain("sysctl 'vm.swappiness=1' is not allowed");
    expect(await refused('--sysctl', 'net.nope=1')).toMatch(
      /open \/proc\/sys\/net\/nope: no such file or directory/i,
    );
  });
});

describe('names', () => {
  test('--domainname beside the host name', async () => {
    const read = 'cat /proc/sys/kernel/domainname; hostname; hostname -f; tail -n 1 /etc/hosts | cut -f2';
    expect(await sh(read, '-h', 'host', '--domainname', 'dom.example')).toBe(
      'dom.example\nhost\nhost.dom.example\nhost.dom.example host',
    );
  });

  test('--add-host, also host-gateway', async () => {
    const flags = ['--add-host', 'one:1.2.3.4', '--add-host', 'two=::1', '--add-host', 'gate:host-gateway'];
    const hosts = await sh('cat /etc/hosts; ip route | grep default | cut -d" " -f3', ...flags);
    expect(hosts).toContain('1.2.3.4\tone\n::1\ttwo\n');
    expect(hosts).toContain(`${hosts.split('\n').at(-1)}\tgate\n`);
    expect(await sh('grep one /etc/hosts', '--net', 'host', '--add-host', 'one:1.2.3.4')).toBe(
      '1.2.3.4\tone',
    );
    expect(await refused('--add-host', 'bad')).toContain('bad format for add-host: "bad"');
    expect(await refused('--add-host', 'bad:1.2')).toContain('invalid IP address in add-host: "1.2"');
  });

  test('--dns, --dns-search, --dns-option', async () => {
    const flags = ['--dns', '9.9.9.9', '--dns', '2001::1', '--dns-search', 'a.b', '--dns-search', 'c'];
    const lines = (await sh('cat /etc/resolv.conf', ...flags, '--dns-option', 'ndots:3')).split('\n');
    for (const line of ['nameserver 9.9.9.9', 'nameserver 2001::1', 'search a.b c', 'options ndots:3']) {
      expect(lines).toContain(line);
    }
    expect(await sh('grep -c search /etc/resolv.conf; true', '--dns-search', '.')).toBe('0');
    expect(await refused('--dns', 'bad')).toContain('IP address is not correctly formatted: bad');
  });

  test('--link: a name in /etc/hosts that follows the container, variables, and its end', async () => {
    const flags = [
      '--name',
      'linked',
      '-h',
      'host-name',
      '-e',
      'A=b',
      '--expose',
      '80',
      '--expose',
      '443/udp',
    ];
    await idle(...flags);
    const parent = await idle('--name', 'parent', '--link', 'linked:db');
    const address = () => out('inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', 'linked');
    const hosts = async () => (await out('exec', parent, 'cat', '/etc/hosts')).split('\n');
    const first = await address();
    expect(await hosts()).toContain(`${first}\tdb host-name linked`);
    const env = (await out('exec', parent, 'env')).split('\n');
    for (const line of [
      `DB_PORT=tcp://${first}:80`,
      `DB_PORT_443_UDP_ADDR=${first}`,
      'DB_PORT_80_TCP_PORT=80',
      'DB_NAME=/parent/db',
      'DB_ENV_A=b',
    ]) {
      expect(env).toContain(line);
    }
    const shown = ['inspect', '-f', '{{json .HostConfig.Links}}', parent];
    expect(await out(...shown)).toBe('["/linked:/parent/db"]');
    expect(await out('ps', '--no-trunc', '--format', '{{.Names}}', '-f', 'name=linked')).toBe(
      'linked,parent/db',
    );
    await out('stop', '-t', '0', 'linked');
    expect(await refused('--link', 'linked:db')).toMatch(
      /Cannot link to a non running container: \/linked AS \/\w+\/db/,
    );
    await out('start', 'linked');
    expect(await hosts()).toContain(`${await address()}\tdb host-name linked`);
    await out('rm', '--link', 'parent/db');
    expect(await out(...shown)).toBe('null');
    expect(await refused('--link', 'nope')).toContain(
      'could not get container for nope: No such container: nope',
    );
    expect(await refused('--net', 'host', '--link', 'linked')).toContain(
      "host type networking can't be used with links",
    );
    await out('rm', '-f', parent, 'linked');
  });
});

describe('the process', () => {
  test('--group-add by number and by name', async () => {
    expect(await sh('id -G', '--group-add', '55', '--group-add', 'adm', '--group-add', '55')).toBe('0 4 55');
    expect(await sh('id -G', '--group-add', '55', '-u', '1000')).toBe('0 55');
    expect(await refused('--group-add', 'nope')).toMatch(
      /unable to find group nope: no matching entries in group file/i,
    );
  });

  test("--init is process 1 and reaps; not with the host's pid namespace", async () => {
    const zombies = 'grep -l "^State:.Z" /proc/[0-9]*/status 2>/dev/null | wc -l';
    const script = `(sleep 0.1 & exec true); sleep 0.5; ${zombies}; tr "\\0" " " < /proc/1/cmdline`;
    expect(await sh(script, '--init')).toStartWith('0\n/sbin/docker-init -- sh -c (sleep');
    expect(await sh('cat /proc/self/stat | cut -d" " -f4', '--init', '--pid', 'host')).not.toBe('1');
    const id = await out('create', '--init=false', 'busybox');
    expect(await out('inspect', '-f', '{{.HostConfig.Init}}', id)).toBe('false');
    await out('rm', id);
  });

  test('--runtime: crun and its usual names; others are refused', async () => {
    expect(await sh('echo ok', ...(REFERENCE ? [] : ['--runtime', 'crun']))).toBe('ok');
    expect(await refused('--runtime', 'nope')).toMatch(
      /(unknown or invalid runtime name:|Unknown runtime specified) nope/,
    );
  });

  test('--security-opt: seccomp, apparmor, label, systempaths and what does not exist', async () => {
    const mode = "grep '^Seccomp:' /proc/self/status | cut -f2";
    expect(await sh(mode, '--security-opt', 'seccomp=unconfined')).toBe('0');
    if (!REFERENCE) expect(await sh(mode, '--security-opt', 'seccomp=builtin')).toBe('2');
    const profile = join(daemon.root, 'profile.json');
    const rule = { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO' };
    writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] }));
    const made = await sh('mkdir /x 2>&1; touch /y && echo ok', '--security-opt', `seccomp=${profile}`);
    expect(made).toContain('Operation not permitted');
    expect(made).toEndWith('ok');
    expect(await refused('--security-opt', 'seccomp=/nope')).toContain(
      'opening seccomp profile (/nope) failed: open /nope: no such file or directory',
    );
    for (const option of [
      'apparmor=unconfined',
      'label=disable',
      'label=user:USER',
      'no-new-privileges:false',
    ]) {
      expect(await sh('echo ok', '--security-opt', option)).toBe('ok');
    }
    const masks = 'grep -c " /proc/" /proc/mounts; true';
    expect(await sh(masks)).not.toBe('0');
    expect(await sh(masks, '--security-opt', 'systempaths=unconfined')).toBe('0');
    expect(await refused('--security-opt', 'nope=a')).toContain('invalid --security-opt 2: "nope=a"');
    expect(await refused('--security-opt', 'no-new-privileges=x')).toContain('invalid --security-opt 2');
    if (REFERENCE) return;
    const cgroups = "grep ' cgroup' /proc/mounts | grep -c ' rw,'; true";
    expect(await sh(cgroups)).toBe('0');
    expect(await sh(cgroups, '--security-opt', 'writable-cgroups=true')).not.toBe('0');
  });

  test("--annotation is the runtime's, and shown", async () => {
    if (REFERENCE) return;
    const id = await idle('--annotation', 'org.example.a=b');
    expect(await out('inspect', '-f', '{{json .HostConfig.Annotations}}', id)).toBe('{"org.example.a":"b"}');
    const bundle = readFileSync(join(daemon.execRoot, 'c', id, 'config.json'), 'utf8');
    expect(JSON.parse(bundle).annotations).toMatchObject({ 'org.example.a': 'b' });
    await out('rm', '-f', id);
  });
});

describe('the client', () => {
  test('--cidfile has the id, and must not be there before', async () => {
    const file = join(daemon.root, 'cid');
    await sh('true', '--cidfile', file);
    expect(readFileSync(file, 'utf8')).toMatch(/^[0-9a-f]{64}$/);
    expect(await refused('--cidfile', file)).toContain(
      "container ID file found, make sure the other container isn't running or delete",
    );
    const failed = join(daemon.root, 'cid-failed');
    await refused('--cidfile', failed, '--runtime', 'nope');
    expect(existsSync(failed)).toBe(false);
  });

  test('--pull never, missing and always; --quiet', async () => {
    expect(await sh('echo ok', '--pull', 'never')).toBe('ok');
    expect(await sh('echo ok', '--pull', 'missing', '--quiet')).toBe('ok');
    const never = await daemon.tare('run', '--rm', '--pull', 'never', 'nope:latest');
    expect(never.stderr).toContain('No such image: nope:latest');
    // There is no registry: that it asks is what can be seen.
    const always = await daemon.tare('run', '--rm', '-q', '--pull', 'always', '127.0.0.1:9/x', 'true');
    expect(always).toMatchObject({ code: 125 });
    expect(always.stderr).toMatch(/connect|refused|unreachable/i);
    expect(always.stderr).not.toContain('Pulling from');
    expect(await refused('--pull', 'what')).toContain("invalid pull option: 'what'");
  });

  test('--platform of the image, and another one', async () => {
    const own = process.arch === 'x64' ? 'amd64' : 'arm64';
    expect(await sh('echo ok', '--platform', `linux/${own}`)).toBe('ok');
    if (REFERENCE) return;
    const other = await daemon.tare('run', '--rm', '--pull', 'never', '--platform', 'linux/s390x', 'busybox');
    expect(other.stderr).toContain('does not provide the specified platform (linux/s390x)');
    expect(await refused('--platform', 'a/b/c/d/e')).toContain('a/b/c/d/e');
  });

  test('flags of another system are refused, those of other times are without effect', async () => {
    const flags = ['--cpu-count', '1', '--cpu-percent', '1', '--io-maxbandwidth', '1m', '--io-maxiops', '1'];
    const outcome = await daemon.tare('run', '--rm', ...flags, 'busybox', 'true');
    expect(outcome.code).toBe(1);
    for (const flag of flags.filter((word) => word.startsWith('--'))) {
      expect(outcome.stderr).toContain(`"${flag}" is only supported on a Docker daemon running on windows`);
    }
    expect((await daemon.tare('create', '--cpu-count', '1', 'busybox')).code).toBe(1);
    expect(await sh('echo ok', '--kernel-memory', '100m', '--isolation', 'default')).toBe('ok');
    expect(await sh('echo ok', '--disable-content-trust')).toBe('ok');
    expect(await refused('--isolation', 'hyperv')).toMatch(
      /invalid isolation: "hyperv" - linux only supports 'default'/i,
    );
  });
});
