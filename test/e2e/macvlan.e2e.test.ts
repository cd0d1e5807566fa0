/** macvlan and ipvlan: containers as neighbours in the network of a host's link, which here leads to another host. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { must, run, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
/** Another host in the network of the parent, at 10.66.0.1: its gateway. */
let router: string;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
  router = `${daemon.bridge}r`;
  await must(['ip', 'netns', 'add', router]);
  await inDaemon('ip', 'link', 'add', 'lan0', 'type', 'veth', 'peer', 'name', 'far0', 'netns', router);
  await inDaemon('ip', 'link', 'set', 'lan0', 'up');
  for (const line of ['address add 10.66.0.1/24 dev far0', 'link set far0 up', 'link set lo up'])
    await outside('ip', ...line.split(' '));
}, 120_000);
afterAll(async () => {
  await daemon?.stop();
  if (router) await run(['ip', 'netns', 'delete', router]);
}, 120_000);
afterEach(async () => {
  const ids = (await docker('ps', '-aq')).split('\n').filter((id) => id !== '');
  if (ids.length > 0) await docker('rm', '-f', ...ids);
  await docker('network', 'prune', '-f');
}, 120_000);

const docker = (...args: string[]) => daemon.ok('docker', args);
const inDaemon = async (...argv: string[]) => {
  const outcome = await daemon.inNetwork(argv);
  if (outcome.code !== 0) throw new Error(`${argv.join(' ')}: ${outcome.stderr}`);
  return outcome.stdout;
};
const outside = (...argv: string[]) => must(['ip', 'netns', 'exec', router, ...argv]);
const refused = async (...args: string[]) => {
  const { code, stderr } = await daemon.client('docker', args);
  expect(code).not.toBe(0);
  return stderr;
};
const lan = (name: string, ...args: string[]) =>
  docker(
    ...['network', 'create', '-d', 'macvlan', '--subnet', '10.66.0.0/24', '--ip-range', '10.66.0.64/26'],
    ...['--gateway', '10.66.0.1', '-o', 'parent=lan0', ...args, name],
  );
const sleeper = (name: string, ...args: string[]) =>
  docker('run', '-d', '--name', name, ...args, 'busybox', 'sleep', '1000');
const pings = async (from: string, to: string) =>
  (await daemon.client('docker', ['exec', from, 'ping', '-c', '1', '-W', '1', to])).code === 0;
const links = () => inDaemon('ip', '-o', 'link');

test('neighbours of another host: addresses, gateway, names, a crash of the daemon, nothing left', async () => {
  await lan('lan');
  await sleeper('one', '--net', 'lan', '--mac-address', '02:42:0a:42:00:99', '-p', '8080:80');
  await sleeper('two', '--net', 'lan', '--network-alias', 'db');
  const shown = '{{.Driver}} {{json .Options}} {{json .IPAM.Config}}';
  expect(await docker('network', 'inspect', '-f', shown, 'lan')).toBe(
    'macvlan {"parent":"lan0"} [{"Subnet":"10.66.0.0/24","IPRange":"10.66.0.64/26","Gateway":"10.66.0.1"}]',
  );
  expect(await docker('exec', 'one', 'ip', 'addr', 'show', 'eth0')).toMatch(
    /02:42:0a:42:00:99[\s\S]*inet 10\.66\.0\.64\/24/,
  );
  expect(await docker('exec', 'one', 'ip', 'route')).toContain('default via 10.66.0.1 dev eth0');
  for (const name of ['two', 'db', '10.66.0.1'])
    expect([name, await pings('one', name)]).toEqual([name, true]);
  await outside('busybox', 'ping', '-c', '1', '-W', '2', '10.66.0.65');
  await daemon.kill9();
  await outside('busybox', 'ping', '-c', '1', '-W', '2', '10.66.0.65');
  await daemon.start();
  expect(await pings('two', 'one')).toBe(true);
  await sleeper('three', '--net', 'lan');
  expect(await docker('exec', 'three', 'hostname', '-i')).toBe('10.66.0.66');
  expect(await refused('network', 'rm', 'lan')).toContain('network lan has active endpoints');
  await docker('rm', '-f', 'one', 'two', 'three');
  await docker('network', 'rm', 'lan');
  expect(await links()).toContain('lan0');
}, 120_000);

test('connect and disconnect of a running container; bridge and macvlan side by side', async () => {
  await lan('lan');
  await sleeper('both', '-p', '8081:80');
  await docker('network', 'connect', '--ip', '10.66.0.100', 'lan', 'both');
  await sleeper('peer', '--net', 'lan');
  expect(await pings('peer', 'both')).toBe(true);
  await outside('busybox', 'ping', '-c', '1', '-W', '2', '10.66.0.100');
  await docker('network', 'disconnect', 'lan', 'both');
  expect(await docker('exec', 'both', 'ip', '-o', 'link')).not.toContain('eth1');
  expect(await pings('peer', '10.66.0.100')).toBe(false);
  await docker('network', 'connect', 'lan', 'both');
  // Its address is the one that it had, whose link the kernel may still be taking down.
  for (let round = 0; round < 5; round++) await docker('restart', '-t', '0', 'both');
  expect(await docker('exec', 'both', 'ip', '-o', 'addr')).toMatch(/eth1 +inet 10\.66\.0\./);
}, 120_000);

test('modes, --internal, no parent, and links that are made and removed', async () => {
  await lan('private', '-o', 'macvlan_mode=private');
  await sleeper('p1', '--net', 'private');
  await sleeper('p2', '--net', 'private');
  expect([await pings('p1', 'p2'), await pings('p1', '10.66.0.1')]).toEqual([false, true]);
  expect(await docker('exec', 'p1', 'ip', '-d', 'link', 'show', 'eth0').catch(() => 'private')).toContain(
    'private',
  );
  await docker('rm', '-f', 'p1', 'p2');
  await docker('network', 'rm', 'private');
  await lan('single', '-o', 'macvlan_mode=passthru');
  await until(
    'lan0 is free',
    async () =>
      (await daemon.client('docker', ['run', '--rm', '--net', 'single', 'busybox', 'true'])).code === 0,
  );
  await docker('network', 'rm', 'single');

  await docker('network', 'create', '-d', 'macvlan', 'alone');
  const [made] = /dm-[0-9a-f]{12}/.exec(await links()) ?? [];
  expect(made).toBe(`dm-${(await docker('network', 'inspect', '-f', '{{.Id}}', 'alone')).slice(0, 12)}`);
  await sleeper('a1', '--net', 'alone');
  await sleeper('a2', '--net', 'alone');
  expect(await pings('a1', 'a2')).toBe(true);
  expect(await docker('exec', 'a1', 'ip', 'route')).not.toContain('default');
  await inDaemon('ip', 'link', 'delete', made!);
  await daemon.kill9();
  await daemon.start();
  expect(await links()).toContain(made!);
  await docker('rm', '-f', 'a1', 'a2');
  await docker('network', 'rm', 'alone');
  expect(await links()).not.toContain(made!.slice(3));

  await lan('inside', '--internal');
  await sleeper('i1', '--net', 'inside');
  expect(await docker('exec', 'i1', 'ip', 'route')).not.toContain('default');
}, 120_000);

test('what is refused, in words that help', async () => {
  await inDaemon('ip', 'link', 'add', 'port0', 'type', 'veth', 'peer', 'name', 'port1');
  await inDaemon('ip', 'link', 'set', 'port0', 'master', daemon.bridge);
  const create = (...args: string[]) => refused('network', 'create', '-d', 'macvlan', ...args, 'wrong');
  expect(await create('-o', 'parent=lo')).toContain('loopback interface is not a valid macvlan parent link');
  expect(await create('-o', 'macvlan_mode=odd')).toContain("requested macvlan mode 'odd' is not valid");
  expect(await create('-o', 'parent=nosuch0')).toContain('the parent nosuch0 is no link of this host');
  expect(await create('-o', 'parent=lan0.5000')).toContain('vlan id must be between 1-4094, received: 5000');
  expect(await create('-o', 'parent=nosuch0.5')).toContain('failed to find master interface nosuch0');
  expect(await create('-o', 'parent=port0')).toContain('port0 of network wrong is in use by another kind');
  await lan('first');
  expect(await create('-o', 'parent=lan0', '-o', 'macvlan_mode=passthru')).toContain(
    'macvlan network first is already using parent interface lan0',
  );
  expect(await docker('network', 'ls', '-f', 'driver=macvlan', '--format', '{{.Name}}')).toBe('first');
  await inDaemon('ip', 'link', 'delete', 'port0');
}, 120_000);

test('VLAN sub-interfaces and ipvlan, or a clear word that the kernel has none', async () => {
  const vlan = await daemon.client('docker', [
    ...['network', 'create', '-d', 'macvlan', '-o', 'parent=lan0.50', '--subnet', '10.67.0.0/24', 'tagged'],
  ]);
  if (vlan.code === 0) {
    expect(await links()).toContain('lan0.50@lan0');
    await sleeper('t1', '--net', 'tagged');
    await sleeper('t2', '--net', 'tagged');
    expect(await pings('t1', 't2')).toBe(true);
    await docker('rm', '-f', 't1', 't2');
    await docker('network', 'rm', 'tagged');
    expect(await links()).not.toContain('lan0.50');
  } else expect(vlan.stderr).toContain('this kernel has no VLAN sub-interfaces');
  for (const mode of ['l2', 'l3']) {
    const ipvlan = await daemon.client('docker', [
      ...['network', 'create', '-d', 'ipvlan', '-o', 'parent=lan0', '-o', `ipvlan_mode=${mode}`],
      ...['--subnet', '10.68.0.0/24', 'flat'],
    ]);
    if (ipvlan.code === 0) {
      await sleeper('f1', '--net', 'flat');
      await sleeper('f2', '--net', 'flat');
      expect(await pings('f1', 'f2')).toBe(true);
      expect(await docker('exec', 'f1', 'ip', 'route')).toContain('default');
      await docker('rm', '-f', 'f1', 'f2');
      await docker('network', 'rm', 'flat');
    } else expect(ipvlan.stderr).toContain('this kernel has no ipvlan');
  }
}, 120_000);

test('link-local addresses, the name and the settings of an interface', async () => {
  await docker('network', 'create', 'net1');
  const sysctls = 'com.docker.network.endpoint.sysctls=net.ipv4.conf.IFNAME.forwarding=0';
  const options = `name=net1,driver-opt=com.docker.network.endpoint.ifname=front0,"driver-opt=${sysctls}"`;
  await sleeper('c1', '--network', `${options},link-local-ip=169.254.7.7`);
  expect(await docker('exec', 'c1', 'ip', '-o', 'addr', 'show', 'front0')).toContain('inet 169.254.7.7/16');
  expect(await docker('exec', 'c1', 'cat', '/proc/sys/net/ipv4/conf/front0/forwarding')).toBe('0');
  await docker('network', 'create', 'net2');
  await docker('network', 'connect', '--link-local-ip', '169.254.8.8', 'net2', 'c1');
  expect(await docker('exec', 'c1', 'ip', '-o', 'addr', 'show')).toContain('inet 169.254.8.8/16');
  expect(
    await docker('inspect', '-f', '{{json (index .NetworkSettings.Networks "net2").IPAMConfig}}', 'c1'),
  ).toBe('{"LinkLocalIPs":["169.254.8.8"]}');
  expect(
    await refused('run', '--rm', '--net', 'net1', '--link-local-ip', '10.0.0.1', 'busybox', 'true'),
  ).toContain('invalid link-local IP address: 10.0.0.1');
  await docker('network', 'disconnect', 'net2', 'c1');
}, 120_000);
