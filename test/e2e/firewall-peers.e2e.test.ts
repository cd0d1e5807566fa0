/** Beside ufw, firewalld, dockerd and podman, each in a network namespace of its own with the daemon. */

import { afterEach, describe, expect, test } from 'bun:test';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { busyboxTar } from '../support/busybox-image.ts';
import { clearAway } from '../support/clear-away.ts';
import { must, run, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { Dockerd } from '../support/dockerd.ts';
import {
  ask,
  inNetworkOf,
  OtherHost,
  serve,
  serverContainer,
  stopServers,
} from '../support/network-peers.ts';

const HOST = '198.51.100.1';
const OUTSIDE = '198.51.100.2';
const QUICK = { patience: 1 };
const LINK = { own: [`${OUTSIDE}/24`], daemon: [`${HOST}/24`] };
const here = (daemon: TestDaemon) => ['nsenter', `--net=/run/netns/${daemon.bridge}`, '--'];

afterEach(stopServers);

/** Debian's ufw with a configuration of its own: only the network namespace is shared with the daemon. */
class Ufw implements Disposable {
  readonly #folder = mkdtempSync('/tmp/tare-ufw-');
  readonly #daemon: TestDaemon;

  constructor(daemon: TestDaemon) {
    this.#daemon = daemon;
    cpSync('/etc/ufw', this.#folder, { recursive: true });
  }

  async run(...args: string[]): Promise<string> {
    const script = `mount --bind "$0" /etc/ufw && exec ufw "$@"`;
    return must([...here(this.#daemon), 'unshare', '-m', 'sh', '-c', script, this.#folder, ...args]);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

describe.each(['open', 'filtered'] as const)('ufw, published ports %s', (publish) => {
  test('what it denies and allows holds for the host, and for published ports when they are filtered', async () => {
    await using daemon = await startDaemon({ isolated: true, config: { publish } });
    await using outside = await OtherHost.connect(daemon, 1, LINK);
    using ufw = new Ufw(daemon);
    await ufw.run('--force', 'enable');
    const { id, prefix } = await serverContainer(daemon, [80], '-p', '8500:80');
    const denied = await outside.ask(HOST, 8500, QUICK);
    expect(denied).toBe(publish === 'open' ? `hello ${OUTSIDE}` : 'silence');
    await ufw.run('allow', '8500/tcp');
    expect(await outside.ask(HOST, 8500)).toBe(`hello ${OUTSIDE}`);
    await ufw.run('insert', '1', 'deny', 'from', OUTSIDE, 'to', 'any', 'port', '8500', 'proto', 'tcp');
    expect(await outside.ask(HOST, 8500, QUICK)).toBe(publish === 'open' ? `hello ${OUTSIDE}` : 'silence');
    // Out of the container, through ufw's FORWARD policy of drop.
    await serve(outside.prefix, 99);
    expect(await ask(prefix, OUTSIDE, 99)).toBe(`hello ${HOST}`);
    await ufw.run('reload');
    await ufw.run('--force', 'delete', '1');
    expect(await outside.ask(HOST, 8500, { patience: 10 })).toBe(`hello ${OUTSIDE}`);
    await ufw.run('disable');
    await daemon.ok('tare', ['rm', '-f', id]);
  }, 120_000);
});

test('beside a running dockerd, before and after its restart: both sides work, and none reaches the other', async () => {
  await using dockerd = await Dockerd.start({ bip: '172.31.250.1/24', 'live-restore': true });
  // As on a host where dockerd was the first to forward packets.
  await must([...dockerd.inside, 'iptables', '-P', 'FORWARD', 'DROP']);
  await using daemon = await startDaemon({ inside: dockerd.inside });
  const { id, prefix } = await serverContainer(daemon, [80], '-p', '8501:80');
  const own = (port: number) => ask(dockerd.inside, '127.0.0.1', port);
  const inner = await daemon.ok('tare', ['inspect', '-f', '{{.NetworkSettings.IPAddress}}', id]);
  const neighbour = await daemon.ok('tare', ['run', '-d', 'busybox', 'sleep', '1000']);
  const there = inNetworkOf(await daemon.ok('tare', ['inspect', '-f', '{{.State.Pid}}', neighbour]));
  await run(['sh', '-c', `docker -H "$DOCKER_HOST" import - busybox < ${await busyboxTar()}`], {
    env: dockerd.env,
  });
  const theirs = await dockerd.ok(['run', '-d', '-p', '8502:80', 'busybox', 'sleep', '1000']);
  const theirPid = await dockerd.ok(['inspect', '-f', '{{.State.Pid}}', theirs]);
  const theirAddress = await dockerd.ok(['inspect', '-f', '{{.NetworkSettings.IPAddress}}', theirs]);
  await serve(inNetworkOf(theirPid), 80);
  const check = async () => {
    expect(await own(8501)).toStartWith('hello ');
    expect(await own(8502)).toStartWith('hello ');
    expect(await ask(there, inner, 80)).toStartWith('hello ');
    expect(await ask(prefix, theirAddress, 80, QUICK)).toBe('silence');
    expect(await ask(inNetworkOf(theirPid), inner, 80, QUICK)).toBe('silence');
  };
  await check();
  await dockerd.restart();
  await until('our rules are there again', async () => (await own(8501)).startsWith('hello '), 20_000);
  await check();
  const rules = await must([...dockerd.inside, 'iptables', '-S', 'DOCKER-USER']);
  expect(rules.match(/tare:/g)).toHaveLength(2);
  await dockerd.ok(['rm', '-f', theirs]);
}, 180_000);

test('beside podman: ports and ways out of both work, and its containers do not reach ours', async () => {
  const root = mkdtempSync('/var/tmp/tare-podman-');
  await using daemon = await startDaemon({ isolated: true });
  await using outside = await OtherHost.connect(daemon, 1, LINK);
  const place = (name: string) => join(root, name);
  const podman = async (...args: string[]) => {
    const flags = ['--root', place('root'), '--runroot', place('run'), '--tmpdir', place('tmp')];
    const more = [
      '--network-config-dir',
      place('net'),
      '--cgroup-manager',
      'cgroupfs',
      '--events-backend',
      'file',
    ];
    return must([...here(daemon), 'podman', ...flags, ...more, ...args], { timeout: 60_000 });
  };
  for (const name of ['root', 'run', 'tmp', 'net']) mkdirSync(place(name));
  try {
    await podman('import', '-c', 'CMD ["sh"]', await busyboxTar(), 'busybox');
    const { id, prefix } = await serverContainer(daemon, [80], '-p', '8504:80');
    const inner = await daemon.ok('tare', ['inspect', '-f', '{{.NetworkSettings.IPAddress}}', id]);
    const limits = ['--ulimit', 'nofile=8192:8192', '--ulimit', 'nproc=8192:8192'];
    const theirs = await podman('run', '-d', ...limits, '-p', '8505:80', 'busybox', 'sleep', '1000');
    const pid = await podman('inspect', '-f', '{{.State.Pid}}', theirs);
    await serve(inNetworkOf(pid), 80);
    await serve(outside.prefix, 99);
    expect(await outside.ask(HOST, 8504)).toBe(`hello ${OUTSIDE}`);
    expect(await outside.ask(HOST, 8505)).toStartWith('hello ');
    expect(await ask(prefix, OUTSIDE, 99)).toBe(`hello ${HOST}`);
    expect(await ask(inNetworkOf(pid), OUTSIDE, 99)).toBe(`hello ${HOST}`);
    expect(await ask(inNetworkOf(pid), inner, 80, QUICK)).toBe('silence');
    await podman('rm', '-f', '-t', '0', theirs);
    expect(await outside.ask(HOST, 8504)).toBe(`hello ${OUTSIDE}`);
    await daemon.ok('tare', ['rm', '-f', id]);
  } finally {
    await podman('rm', '-f', '-a', '-t', '0').catch(() => undefined);
    await clearAway({ roots: [root], bridge: '', isolated: true, containers: new Set() });
    rmSync(root, { recursive: true, force: true });
  }
}, 120_000);

test('without the program nft the daemon says what to install', async () => {
  const folder = mkdtempSync('/tmp/tare-no-nft-');
  try {
    for (const path of ['/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin']) {
      for (const name of readdirSync(path)) {
        if (name !== 'nft' && !existsSync(join(folder, name)))
          symlinkSync(join(path, name), join(folder, name));
      }
    }
    await expect(startDaemon({ isolated: true, env: { PATH: folder } })).rejects.toThrow(
      'cannot run nft; install the package nftables',
    );
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}, 60_000);

/** firewalld with a bus of its own; systemd is not needed. */
async function startFirewalld(
  daemon: TestDaemon,
  folder: string,
): Promise<{ run(...args: string[]): Promise<string>; stop(): Promise<void> }> {
  const address = `unix:path=${folder}/bus`;
  const config = join(folder, 'bus.conf');
  writeFileSync(
    config,
    `<busconfig><type>system</type><listen>${address}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/><allow user="*"/></policy></busconfig>`,
  );
  const bus = Bun.spawn(['dbus-daemon', '--nofork', `--config-file=${config}`], {
    stdout: 'ignore',
    stderr: 'ignore',
  });
  await until('the bus listens', async () => (await run(['test', '-S', `${folder}/bus`])).code === 0, 10_000);
  const env = { ...process.env, DBUS_SYSTEM_BUS_ADDRESS: address };
  const etc = join(folder, 'etc');
  cpSync('/etc/firewalld', etc, { recursive: true });
  const script =
    'mount --bind "$0" /etc/firewalld && mount -t tmpfs none /run && exec firewalld --nofork --nopid';
  const child = Bun.spawn([...here(daemon), 'unshare', '-m', 'sh', '-c', script, etc], {
    env,
    stdout: 'ignore',
    stderr: Bun.file(join(folder, 'log')),
  });
  const client = (...args: string[]) => must(['firewall-cmd', ...args], { env });
  await until(
    'firewalld runs',
    async () => (await run(['firewall-cmd', '--state'], { env })).code === 0,
    40_000,
  );
  return {
    run: client,
    async stop() {
      child.kill();
      await child.exited;
      bus.kill();
      await bus.exited;
    },
  };
}

/**
 * Where it is installed: as a package of the tests it would switch itself on at the next boot of whoever runs them.
 */
const withFirewalld = Bun.which('firewalld') ? describe : describe.skip;

withFirewalld.each(['open', 'filtered'] as const)('firewalld, published ports %s', (publish) => {
  test('the way out, published ports, and its own port rules when they are filtered', async () => {
    const folder = mkdtempSync('/tmp/tare-firewalld-');
    await using daemon = await startDaemon({ isolated: true, config: { publish } });
    await using outside = await OtherHost.connect(daemon, 1, LINK);
    const firewalld = await startFirewalld(daemon, folder);
    try {
      const { id, prefix } = await serverContainer(daemon, [80], '-p', '8503:80');
      expect(await outside.ask(HOST, 8503, QUICK)).toBe(
        publish === 'open' ? `hello ${OUTSIDE}` : 'No route to host',
      );
      await firewalld.run('--add-port=8503/tcp');
      expect(await outside.ask(HOST, 8503)).toBe(`hello ${OUTSIDE}`);
      await serve(outside.prefix, 99);
      expect(await ask(prefix, OUTSIDE, 99)).toBe(`hello ${HOST}`);
      await firewalld.run('--reload');
      await firewalld.run('--add-port=8503/tcp');
      expect(await outside.ask(HOST, 8503, { patience: 10 })).toBe(`hello ${OUTSIDE}`);
      await daemon.ok('tare', ['rm', '-f', id]);
    } finally {
      await firewalld.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  }, 120_000);
});
