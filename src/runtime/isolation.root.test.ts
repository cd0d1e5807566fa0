import { afterAll, describe, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readMachine } from './machine.ts';
import type { SpecInput, SpecMount } from './spec/input.ts';
import { parseSecurityOptions } from './spec/security-options.ts';
import { readUserDatabase, resolveUser } from './spec/user.ts';
import { RuntimeFixture } from './testing.ts';

const fixture = new RuntimeFixture();
afterAll(() => fixture.close());
const machine = readMachine();

async function run(script: string, more: Partial<SpecInput> = {}): Promise<string> {
  const { exit, stdout, stderr } = await fixture.run(['sh', '-c', script], {
    change: fixture.docker({ env: ['PATH=/bin'], ...more }),
  });
  expect({ code: exit.exitCode, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout;
}

/** A line of /proc/self/status. */
function field(status: string, name: string): string | undefined {
  return new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1];
}

const bind = (source: string, destination: string): SpecMount => ({
  type: 'bind',
  source,
  destination,
  readOnly: true,
  propagation: '',
  recursive: true,
  options: [],
});

describe('privileges', () => {
  test('Docker default capabilities and a seccomp filter', async () => {
    const status = await run('cat /proc/self/status');
    expect(field(status, 'CapEff')).toBe('00000000a80425fb');
    expect(field(status, 'CapBnd')).toBe('00000000a80425fb');
    expect(field(status, 'CapInh')).toBe('0000000000000000');
    expect(field(status, 'Seccomp')).toBe('2');
    expect(field(status, 'NoNewPrivs')).toBe('0');
  });

  test('the filter stays when it is compiled beforehand, and execs have it', async () => {
    // The first container with the policy was the one above; its filter is in the cache now.
    const id = await fixture.create(['sleep', '100'], { change: fixture.docker() });
    await fixture.runtime.start(id);
    const config = readFileSync(join(fixture.bundle(id), 'config.json'), 'utf8');
    expect(config).toContain('run.oci.seccomp_bpf_data');
    expect(config).not.toContain('SCMP_ACT_ALLOW');
    const [pid = 0] = await fixture.runtime.pids(id);
    expect(field(readFileSync(`/proc/${pid}/status`, 'utf8'), 'Seccomp')).toBe('2');
    const exec = await fixture.runtime.exec({
      id,
      execId: 'e'.repeat(64),
      process: fixture.process(['sleep', '100']),
      openStdin: false,
      attach: false,
    });
    expect(field(readFileSync(`/proc/${exec.pid}/status`, 'utf8'), 'Seccomp')).toBe('2');
    await fixture.runtime.delete(id);
  });

  test('other users keep the bounding set only', async () => {
    const user = resolveUser('web', ['extra'], readUserDatabase(fixture.rootfs));
    const out = await run('id; cat /proc/self/status', { user });
    expect(out).toStartWith('uid=33(web) gid=33(web) groups=33(web),44(extra)');
    expect(field(out, 'CapEff')).toBe('0000000000000000');
    expect(field(out, 'CapBnd')).toBe('00000000a80425fb');
  });

  test('cap-add and cap-drop', async () => {
    const status = await run('cat /proc/self/status', {
      capAdd: ['NET_ADMIN'],
      capDrop: ['chown', 'CAP_KILL'],
    });
    const expected = (0xa80425fbn | (1n << 12n)) & ~1n & ~(1n << 5n);
    expect(field(status, 'CapEff')).toBe(expected.toString(16).padStart(16, '0'));
  });

  test('privileged: all of the daemon, no filter, all open', async () => {
    const out = await run('cat /proc/self/status; mount', {
      privileged: true,
    });
    const own = readFileSync('/proc/self/status', 'utf8');
    expect(field(out, 'CapEff')).toBe(field(own, 'CapBnd'));
    expect(field(out, 'Seccomp')).toBe('0');
    expect(out).toMatch(/sysfs on \/sys type sysfs \(rw,/);
    expect(out).not.toContain('on /proc/sys ');
  });

  test('no-new-privileges, seccomp=unconfined', async () => {
    const status = await run('cat /proc/self/status', {
      security: parseSecurityOptions(['no-new-privileges', 'seccomp=unconfined']),
    });
    expect(field(status, 'NoNewPrivs')).toBe('1');
    expect(field(status, 'Seccomp')).toBe('0');
  });
});

describe('the file system', () => {
  test('masked and read-only paths, /dev, /sys', async () => {
    const out = await run(
      'cat /proc/keys /proc/timer_list | wc -c; ls /sys/firmware | wc -l; mount; ls /dev; (echo x > /proc/sys/kernel/hostname) 2>/dev/null || echo refused',
    );
    expect(out).toStartWith('0\n0\n');
    expect(out).toMatch(/sysfs on \/sys type sysfs \(ro,/);
    expect(out).toMatch(/shm on \/dev\/shm type tmpfs \(.*size=65536k/);
    expect(out).toMatch(/mqueue on \/dev\/mqueue/);
    expect(out).toMatch(/cgroup2? \(ro,/);
    expect(out).toContain('refused');
    for (const name of ['null', 'zero', 'full', 'random', 'urandom', 'tty', 'ptmx']) {
      expect(out.split('\n')).toContain(name);
    }
  });

  test('a read-only root with a tmpfs and a bind', async () => {
    const source = join(fixture.directory, 'source');
    mkdirSync(source);
    writeFileSync(join(source, 'file'), 'content');
    const tmpfs: SpecMount = {
      ...bind('', '/tmp'),
      type: 'tmpfs',
      readOnly: false,
      options: ['size=1m', 'exec'],
    };
    const out = await run(
      '(echo x > /x) 2>/dev/null || echo root-ro; echo y > /tmp/y && cat /tmp/y; cat /data/file; (echo z > /data/z) 2>/dev/null || echo bind-ro; mount',
      { readonlyRootfs: true, mounts: [tmpfs, bind(source, '/data')] },
    );
    expect(out).toStartWith('root-ro\ny\ncontentbind-ro\n');
    expect(out).toMatch(/tmpfs on \/tmp type tmpfs \(rw,nosuid,nodev,relatime,size=1024k/);
  });

  test('devices outside the list cannot be opened, even when made', async () => {
    const out = await run(
      '/bin/busybox mknod /dev/mem9 c 1 1; head -c 1 /dev/mem9 2>/dev/null || echo refused; head -c 3 /dev/zero | wc -c',
    );
    expect(out).toBe('refused\n3\n');
  });
});

describe('namespaces and settings', () => {
  test('host name, domain name, pids, network, the two sysctls', async () => {
    const out = await run(
      '/bin/busybox hostname; cat /proc/sys/kernel/domainname; echo $$; cat /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/net/ipv4/ping_group_range; ls /sys/class/net',
      { domainname: 'example.test' },
    );
    expect(out).toBe('testhost\nexample.test\n1\n0\n0\t2147483647\nlo\n');
  });

  test('init is the first process and the command its child', async () => {
    const { findInitProgram } = await import('./init-program.ts');
    const init = findInitProgram();
    // Without the Debian package tini there is nothing to test; ./check installs it.
    expect(init).toBeDefined();
    if (init === undefined) return;
    const out = await run('cat /proc/1/cmdline; echo; echo $PPID', { init });
    expect(out.replaceAll('\0', ' ')).toStartWith('/sbin/docker-init -- sh -c');
    expect(out).toEndWith('\n1\n');
  });

  test('limits arrive in the cgroup and in the process', async () => {
    const resources = {
      ...(await import('./spec/testing.ts')).NO_LIMITS,
      memory: 64 * 1024 * 1024,
      nanoCpus: 500_000_000,
      pidsLimit: 50,
    };
    const own = machine.hardLimits.nofile ?? 1024;
    const out = await run(
      'ulimit -n; cat /sys/fs/cgroup/*/*max* /sys/fs/cgroup/*/*limit_in_bytes /sys/fs/cgroup/*/cpu.cfs_quota_us 2>/dev/null; true',
      {
        resources,
        ulimits: [{ name: 'nofile', soft: Math.min(100, own), hard: -1 }],
      },
    );
    expect(out.split('\n')[0]).toBe(String(Math.min(100, own)));
    if (machine.cgroupVersion === 1)
      for (const value of ['67108864', '50000', '50']) expect(out).toContain(value);
  });

  test('a container killed for lack of memory says so', async () => {
    const resources = { ...(await import('./spec/testing.ts')).NO_LIMITS, memory: 16 * 1024 * 1024 };
    const { exit } = await fixture.run(['sh', '-c', 'tail /dev/zero'], {
      change: fixture.docker({ env: ['PATH=/bin'], resources }),
    });
    expect(exit).toMatchObject({ exitCode: 137, oomKilled: true });
  });
});

describe.skipIf(machine.architecture !== 'amd64')('the seccomp policy (system call numbers of amd64)', () => {
  // A program that can make any system call is needed: Bun itself, with the host's libraries.
  const script = `
    import { dlopen, FFIType } from 'bun:ffi';
    const { i64, i32 } = FFIType;
    const libc = dlopen('libc.so.6', {
      syscall: { args: [i64, i64, i64, i64, i64, i64, i64], returns: i64 },
      __errno_location: { args: [], returns: FFIType.ptr },
    }).symbols;
    const { read } = await import('bun:ffi');
    const call = (nr, a = 0, b = 0, c = 0, d = 0) => {
      const result = libc.syscall(nr, a, b, c, d, 0, 0);
      return result < 0n ? read.i32(libc.__errno_location(), 0) : 0;
    };
    console.log(JSON.stringify({
      keyctl: call(250, 0, -3, 0), add_key: call(248), bpf: call(321), perf_event_open: call(298),
      unshare: call(272, 0x10000000), mount: call(165), userfaultfd: call(323), io_uring_setup: call(425, 1),
      clone: call(56, 0x10000011), clone3: call(435), vsock: call(41, 40, 1, 0), kexec_load: call(246),
      personality_query: call(135, 0xffffffff), personality_odd: call(135, 0x0040000), ptrace: call(101, 0),
      open_by_handle_at: call(304), setns: call(308, 0, 0), reboot: call(169), getpid: call(39),
    }));`;
  const mounts = [
    bind('/usr', '/usr'),
    bind(process.execPath, '/bin/bun'),
    bind('/etc/ld.so.cache', '/etc/ld.so.cache'),
  ];

  async function probe(more: Partial<SpecInput> = {}): Promise<Record<string, number>> {
    const { stdout, stderr, exit } = await fixture.run(['bun', '-e', script], {
      change: fixture.docker({ env: ['PATH=/bin', 'BUN_RUNTIME_TRANSPILER_CACHE_PATH=0'], mounts, ...more }),
    });
    if (exit.exitCode !== 0) throw new Error(stderr);
    return JSON.parse(stdout);
  }

  test('refuses what Docker refuses', async () => {
    for (const name of ['lib', 'lib64']) symlinkSync(`usr/${name}`, join(fixture.rootfs, name));
    const EPERM = 1;
    const ENOSYS = 38;
    expect(await probe()).toEqual({
      keyctl: EPERM,
      add_key: EPERM,
      bpf: EPERM,
      perf_event_open: EPERM,
      unshare: EPERM,
      mount: EPERM,
      userfaultfd: EPERM,
      io_uring_setup: EPERM,
      clone: EPERM,
      clone3: ENOSYS,
      vsock: EPERM,
      kexec_load: EPERM,
      personality_query: 0,
      personality_odd: EPERM,
      ptrace: 0,
      open_by_handle_at: EPERM,
      setns: EPERM,
      reboot: EPERM,
      getpid: 0,
    });
  });

  test('allows more with CAP_SYS_ADMIN', async () => {
    const EINVAL = 22;
    const result = await probe({ capAdd: ['SYS_ADMIN'] });
    expect(result.clone3).toBe(EINVAL);
    expect(result.unshare).not.toBe(1);
    expect(result.keyctl).toBe(1);
  });

  test('of the user is taken instead', async () => {
    const policy = JSON.stringify({
      defaultAction: 'SCMP_ACT_ALLOW',
      syscalls: [{ names: ['getpid'], action: 'SCMP_ACT_ERRNO', errnoRet: 99 }],
    });
    const result = await probe({ security: parseSecurityOptions([`seccomp=${policy}`]) });
    expect(result.getpid).toBe(99);
    expect(result.add_key).not.toBe(1);
  });
});
