/** Gateway modes of bridge networks, seen by another machine; bridges without an address of the host. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { OtherMachine } from '../support/other-machine.ts';

let daemon: TestDaemon;
let other: OtherMachine;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
  other = await OtherMachine.connect(daemon.bridge);
}, 120_000);
afterAll(async () => {
  await daemon?.stop();
  await other?.[Symbol.asyncDispose]();
}, 120_000);
afterEach(async () => {
  const ids = (await docker('ps', '-aq')).split('\n').filter((id) => id !== '');
  if (ids.length > 0) await docker('rm', '-f', ...ids);
  await docker('network', 'prune', '-f');
}, 60_000);

const docker = (...args: string[]) => daemon.ok('docker', args);
const OPTION = 'com.docker.network.bridge';
const create = (name: string, subnet: string, ...args: string[]) =>
  docker('network', 'create', '--subnet', subnet, ...args, name);
async function web(name: string, network: string, ...args: string[]): Promise<void> {
  await docker(
    ...['run', '-d', '--name', name, '--net', network, ...args, 'busybox', 'sh', '-c'],
    `echo ${name} > /tmp/index.html; httpd -p 81 -h /tmp; exec httpd -f -p 80 -h /tmp`,
  );
  await until(`${name} listens`, async () => (await inside(name)('http://127.0.0.1/')) === name);
}
/** What a machine or container reads from an address. */
const read = async (where: (argv: string[]) => Promise<{ stdout: string }>, url: string) =>
  (await where(['busybox', 'timeout', '2', 'busybox', 'wget', '-qO-', url])).stdout.trim();
const outside = (url: string) => read((argv) => other.run(argv), url);
const host = (url: string) => read((argv) => daemon.inNetwork(argv), url);
const inside = (name: string) => (url: string) =>
  read((argv) => daemon.client('docker', ['exec', name, ...argv.slice(1)]), url);

test('routed: published ports at the container’s own address and nowhere else, no NAT, after a crash too', async () => {
  await create('plain', '10.71.0.0/24');
  const six = ['--ipv6', '--subnet', 'fd00:70::/64', '-o', `${OPTION}.gateway_mode_ipv6=routed`];
  await create('direct', '10.70.0.0/24', '-o', `${OPTION}.gateway_mode_ipv4=routed`, ...six);
  await web('server', 'direct', '-p', '8085:80', '-p', '9999:9999/udp');
  await web('neighbour', 'plain', '-p', '8086:80');
  await until('it serves', async () => (await host('http://10.71.0.2/')) === 'neighbour', 20_000);
  for (const round of ['first', 'after a crash']) {
    const seen = await Promise.all([
      outside('http://10.70.0.2/'),
      outside('http://10.70.0.2:81/'),
      outside(`http://${OtherMachine.HOST}:8085/`),
      outside(`http://${OtherMachine.HOST}:8086/`),
      outside('http://10.71.0.2/'),
      inside('neighbour')('http://10.70.0.2/'),
      inside('neighbour')('http://10.70.0.2:81/'),
      host('http://10.70.0.2/'),
    ]);
    expect([round, seen]).toEqual([round, ['server', '', '', 'neighbour', '', 'server', '', 'server']]);
    expect((await other.run(['busybox', 'ping', '-c', '1', '-W', '2', '10.70.0.2'])).code).toBe(0);
    if (round !== 'first') break;
    await daemon.kill9();
    await daemon.start();
  }
  expect(await docker('inspect', '-f', '{{json (index .NetworkSettings.Ports "80/tcp")}}', 'server')).toBe(
    '[{"HostIp":"0.0.0.0","HostPort":""},{"HostIp":"::","HostPort":""}]',
  );
  const rules = async () => (await daemon.inNetwork(['nft', 'list', 'ruleset'])).stdout;
  const translated = /set translated \{[^}]*\}[^}]*\}/.exec(await rules())?.[0] ?? '';
  expect([translated.includes('10.71.0.0/24'), translated.includes('10.70.0.0/24')]).toEqual([true, false]);
  await docker('rm', '-f', 'server');
  expect(await rules()).not.toContain('10.70.0.2');
}, 120_000);

test('nat-unprotected: all ports for who knows the address, but for neighbour networks', async () => {
  await create('plain', '10.71.0.0/24');
  await create('free', '10.72.0.0/24', '-o', `${OPTION}.gateway_mode_ipv4=nat-unprotected`);
  await web('server', 'free', '-p', '8087:80');
  await web('neighbour', 'plain');
  const seen = await Promise.all([
    outside('http://10.72.0.2:81/'),
    outside(`http://${OtherMachine.HOST}:8087/`),
    outside('http://10.71.0.2:81/'),
    inside('neighbour')('http://10.72.0.2:81/'),
  ]);
  expect(seen).toEqual(['server', 'server', '', '']);
}, 120_000);

test('isolated and inhibit_ipv4: the host has no address in the network', async () => {
  const address = async (network: string) => {
    const id = await docker('network', 'inspect', '-f', '{{.Id}}', network);
    const { stdout } = await daemon.inNetwork(['ip', '-o', '-4', 'address', 'show', `br-${id.slice(0, 12)}`]);
    return stdout;
  };
  await create('cut', '10.73.0.0/24', '--internal', '-o', `${OPTION}.gateway_mode_ipv4=isolated`);
  await create('given', '10.74.0.0/24', '--gateway', '10.74.0.9', '-o', `${OPTION}.inhibit_ipv4=true`);
  await web('one', 'cut');
  await web('two', 'cut');
  await web('three', 'given');
  expect([await address('cut'), await address('given')]).toEqual(['', '']);
  expect(await inside('one')('http://two/')).toBe('two');
  expect(await docker('exec', 'three', 'ip', 'route')).toContain('default via 10.74.0.9');
}, 120_000);

test('gw-priority chooses the way out among several networks, also when one comes or goes', async () => {
  await create('a', '10.75.0.0/24');
  await create('b', '10.76.0.0/24');
  await create('c', '10.77.0.0/24', '--internal');
  const way = async () => /default via (\S+)/.exec(await docker('exec', 'multi', 'ip', 'route'))?.[1];
  await docker(
    'run',
    '-d',
    '--name',
    'multi',
    '--network',
    'a',
    '--network',
    'name=b,gw-priority=1',
    'busybox',
    'sleep',
    '1000',
  );
  expect(await way()).toBe('10.76.0.1');
  await docker('network', 'connect', '--gw-priority', '9', 'c', 'multi');
  expect(await way()).toBe('10.76.0.1');
  await docker('network', 'disconnect', 'b', 'multi');
  expect(await way()).toBe('10.75.0.1');
  await docker('network', 'connect', '--gw-priority', '-1', 'b', 'multi');
  expect(await way()).toBe('10.75.0.1');
  await docker('network', 'disconnect', 'a', 'multi');
  expect(await way()).toBe('10.76.0.1');
  await docker('restart', '-t', '0', 'multi');
  expect(await way()).toBe('10.76.0.1');
}, 120_000);
