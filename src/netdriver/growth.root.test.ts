/** Networks that outgrow a bridge: with a lowered limit what holds between bridges, with the kernel's 1,100 endpoints. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { eventually, NetworkLab } from '../../test/support/network-lab.ts';
import { silentLogger } from '../base/log.ts';
import { insideNetwork } from '../kernel/namespaces.ts';
import { type Link, listLinks } from '../kernel/netlink/links.ts';
import { NetlinkProtocol, NetlinkSocket } from '../kernel/netlink/socket.ts';
import { bareAddress, macOf } from './addressing.ts';
import type { EndpointSpec, NetworkDriver, NetworkNamespace, NetworkSpec } from './netdriver.ts';
import { type Networking, openNetworking } from './open.ts';
import { newHostInterface } from './plug.ts';

let lab: NetworkLab;
let networking: Networking;
let driver: NetworkDriver;
const namespaces: NetworkNamespace[] = [];

function open(portLimit?: number): void {
  networking = openNetworking({ table: 'tare', log: silentLogger, portLimit });
  driver = networking.drivers[0]!;
}
async function die(): Promise<void> {
  await networking.namespaces.close();
  await driver.close();
  networking.close();
}
beforeEach(() => {
  lab = new NetworkLab();
});
afterEach(async () => {
  for (const namespace of namespaces.splice(0)) namespace.close();
  await die();
  lab.close();
}, 60_000);

function net(name: string, subnet: string, more: Partial<NetworkSpec> = {}): NetworkSpec {
  return {
    ...{ id: name, name, driver: 'bridge', bridgeName: name, internal: false, mtu: 1500, icc: true },
    ...{ masquerade: true, hostBinding: '0.0.0.0' },
    subnets: [{ subnet, gateway: subnet.replace(/0\/\d+$/, '1') }],
    ...more,
  };
}

interface Joined {
  readonly fd: number;
  readonly address: string;
  readonly endpoint: EndpointSpec;
  readonly namespace: NetworkNamespace;
}

async function join(network: NetworkSpec, address: string): Promise<Joined> {
  const namespace = await networking.namespaces.take(network);
  namespaces.push(namespace);
  const endpoint: EndpointSpec = {
    ...{ id: `${network.id}-${address}`, networkId: network.id, containerId: address },
    ...{ interfaceName: 'eth0', hostInterface: newHostInterface(), macAddress: macOf(address) },
    ...{ ipv4: address, ipv6: '', defaultGateway: true },
  };
  await driver.join(network, endpoint, namespace);
  return { fd: namespace.fd, address: bareAddress(address), endpoint, namespace };
}

function links(): Link[] {
  const route = NetlinkSocket.open(NetlinkProtocol.ROUTE);
  try {
    return listLinks(route);
  } finally {
    route.close();
  }
}
const named = (prefix: string) =>
  links()
    .map(({ name }) => name)
    .filter((name) => name.startsWith(prefix))
    .sort();
/** The bridge that an endpoint is plugged into. */
function bridgeOf({ endpoint }: Joined): string {
  const all = links();
  const master = all.find(({ name }) => name === endpoint.hostInterface)?.master;
  return all.find(({ index }) => index === master)?.name ?? '';
}
/** Packets that an endpoint got. */
const received = (fd: number): number =>
  insideNetwork(fd, () => {
    const line = readFileSync('/proc/thread-self/net/dev', 'utf8')
      .split('\n')
      .find((text) => text.includes('eth0'));
    return Number(line?.split(':')[1]?.trim().split(/\s+/)[1]);
  });

test('a lowered limit: further bridges are one network, also for a host port from inside, after a restart, without icc', async () => {
  open(4);
  const network = net('grow0', '10.90.0.0/24');
  const apart = net('apart0', '10.91.0.0/24', { icc: false });
  const other = net('other0', '10.92.0.0/24');
  for (const one of [network, apart, other]) await driver.createNetwork(one);
  const all: Joined[] = [];
  for (let host = 2; host < 10; host++) all.push(await join(network, `10.90.0.${host}/24`));
  expect(all.map(bridgeOf)).toEqual([
    'grow0',
    'grow0',
    'grow0',
    'bxgrow0-1',
    'bxgrow0-1',
    'bxgrow0-2',
    'bxgrow0-2',
    'bxgrow0-3',
  ]);
  const [first, far] = [all[0]!, all[6]!];
  for (const joined of all) lab.serve(joined.fd, joined.address);
  expect(await lab.ask(first.fd, far.address, 80)).toBe(`${far.address} to ${first.address}`);
  expect(await lab.ask(all[7]!.fd, all[3]!.address, 80)).toBe(`${all[3]!.address} to ${all[7]!.address}`);
  expect(await lab.ask(undefined, far.address, 80)).toBe(`${far.address} to 10.90.0.1`);
  // A host port that leads to a further bridge, from all sides, with and without bridged frames in the port rules.
  const port = { protocol: 'tcp', containerPort: 80, hostIp: '', hostPort: 8080, hostPortEnd: 8080 } as const;
  await driver.publish(network, far.endpoint, [port]);
  const stranger = await join(other, '10.92.0.2/24');
  lab.serve(lab.outside, 'outside', 9000);
  for (const filtered of ['1', '0']) {
    lab.run('sysctl', '-qw', `net.bridge.bridge-nf-call-iptables=${filtered}`);
    for (const asker of [first, far, all[5]!, all[7]!, stranger]) {
      const answer = await lab.ask(asker.fd, '198.51.100.1', 8080);
      expect([filtered, asker.address, answer.split(' ')[0]]).toEqual([filtered, asker.address, far.address]);
    }
    expect(await lab.ask(lab.outside, '198.51.100.1', 8080)).toContain(far.address);
    for (const own of ['127.0.0.1', '198.51.100.1'])
      expect([filtered, own, await lab.ask(undefined, own, 8080)]).toEqual([
        filtered,
        own,
        expect.stringContaining(far.address),
      ]);
    // The outside sees the host's address, whatever bridge one is in.
    for (const asker of [first, far, all[7]!])
      expect([filtered, await lab.ask(asker.fd, '198.51.100.2', 9000)]).toEqual([
        filtered,
        'outside to 198.51.100.1',
      ]);
    // The neighbour network does not see it otherwise.
    lab.inside(stranger.fd, 'ip', 'route', 'replace', 'default', 'via', '10.92.0.1');
    expect(await lab.ask(stranger.fd, far.address, 80)).toBe('silence');
  }
  // Without icc: nobody but the gateway.
  const quiet: Joined[] = [];
  for (let host = 2; host < 8; host++) quiet.push(await join(apart, `10.91.0.${host}/24`));
  for (const joined of quiet) lab.serve(joined.fd, joined.address);
  for (const filtered of ['1', '0']) {
    lab.run('sysctl', '-qw', `net.bridge.bridge-nf-call-iptables=${filtered}`);
    const pairs = [
      [0, 1],
      [0, 4],
      [4, 0],
      [3, 4],
      [5, 3],
    ] as const;
    const answers = pairs.map(([from, to]) => lab.ask(quiet[from]!.fd, quiet[to]!.address, 80));
    expect(new Set(await Promise.all(answers))).toEqual(new Set(['silence']));
    for (const { fd, address } of [quiet[0]!, quiet[4]!, quiet[5]!]) {
      expect(await lab.ask(undefined, address, 80)).toContain(address);
      expect(await lab.ask(fd, '198.51.100.1', 8080)).toContain(far.address);
    }
  }
  // A crash; meanwhile somebody takes a further bridge away.
  await die();
  lab.run('ip', 'link', 'delete', 'bxgrow0-2');
  open(4);
  await driver.restore([
    { network, endpoints: all.map(({ endpoint }) => ({ endpoint, publications: [] })) },
    { network: apart, endpoints: quiet.map(({ endpoint }) => ({ endpoint, publications: [] })) },
    { network: other, endpoints: [] },
  ]);
  for (const joined of all) {
    expect(bridgeOf(joined)).toMatch(/grow0/);
    if (joined === first) continue;
    expect(await lab.ask(first.fd, joined.address, 80)).toContain(joined.address);
  }
  // What is empty after a restart goes; the rest goes with the network.
  for (const { endpoint } of all.slice(3)) await driver.unplug(network, endpoint, first.namespace);
  await die();
  open(4);
  await driver.restore([
    { network, endpoints: all.slice(0, 3).map(({ endpoint }) => ({ endpoint, publications: [] })) },
  ]);
  expect(named('bxgrow0').concat(named('bugrow0'), named('bdgrow0'))).toEqual([]);
  await driver.restore([
    { network: apart, endpoints: quiet.map(({ endpoint }) => ({ endpoint, publications: [] })) },
  ]);
  await driver.removeNetwork(apart);
  expect(named('b').filter((name) => name.includes('apart'))).toEqual([]);
}, 120_000);

test('who has left is not heard any more, though its links are still there', async () => {
  open();
  const network = net('left0', '10.94.0.0/24');
  await driver.createNetwork(network);
  const stays = await join(network, '10.94.0.2/24');
  const leaves = await join(network, '10.94.0.3/24');
  lab.serve(leaves.fd, 'the former');
  expect(await lab.ask(stays.fd, leaves.address, 80)).toContain('the former');
  await driver.leave(network, leaves.endpoint);
  expect(await lab.ask(stays.fd, leaves.address, 80)).toBe('silence');
  // The next one has the address, and with it the hardware address, at once.
  const next = await join(network, '10.94.0.3/24');
  lab.serve(next.fd, 'the next');
  expect(await lab.ask(stays.fd, next.address, 80)).toContain('the next');
  await driver.removeNetwork(network);
});

const isQuiet = (round?: { heard: number[]; again: number }): boolean =>
  round !== undefined && round.again === 0 && round.heard.join() === '1';

test('1,100 endpoints: one Ethernet, each broadcast once to everybody, gone without a trace', async () => {
  open();
  const network = net('big0', '10.96.0.0/16');
  await driver.createNetwork(network);
  const all: Joined[] = [];
  for (let number = 0; number < 1100; number++) {
    all.push(await join(network, `10.96.${1 + (number >> 8)}.${number & 255}/16`));
  }
  expect(named('bx')).toEqual(['bxbig0-1']);
  const [first, last] = [all[0]!, all[1099]!];
  expect([bridgeOf(first), bridgeOf(last)]).toEqual(['big0', 'bxbig0-1']);
  lab.serve(undefined, 'host');
  // Who asks for an address is heard by everybody, once; the answer by nobody else. A packet of IPv6's own housekeeping
  // may come in between; a frame that goes round would be heard twice in every round.
  const rounds: Array<{ heard: number[]; again: number }> = [];
  while (rounds.length < 4 && !isQuiet(rounds.at(-1))) {
    const [asker, asked] = [all[rounds.length]!, all[1099 - rounds.length]!];
    const bystanders = all.filter((it) => it !== asker && it !== asked);
    lab.serve(asked.fd, 'asked');
    const counts = () => bystanders.map(({ fd }) => received(fd));
    const before = counts();
    expect(await lab.ask(asker.fd, asked.address, 80)).toBe(`asked to ${asker.address}`);
    const between = counts();
    // The second one asks nobody.
    expect(await lab.ask(asker.fd, asked.address, 80)).toContain('asked');
    const after = counts();
    rounds.push({
      heard: [...new Set(between.map((count, index) => count - before[index]!))],
      again: after.filter((count, index) => count !== between[index]).length,
    });
  }
  expect(rounds.at(-1)).toEqual({ heard: [1], again: 0 });
  // The gateway answers once, from the first bridge.
  const macs = lab.inside(last.fd, 'busybox', 'arping', '-c', '1', '-w', '2', '-I', 'eth0', '10.96.0.1');
  expect(macs.match(/reply from/g)).toHaveLength(1);
  expect(macs.toLowerCase()).toContain(links().find(({ name }) => name === 'big0')?.mac ?? 'no');
  expect(await lab.ask(last.fd, '10.96.0.1', 80)).toBe(`host to ${last.address}`);
  // The host hears a broadcast once.
  let datagrams = 0;
  const ear = await Bun.udpSocket({
    hostname: '0.0.0.0',
    port: 7007,
    socket: { data: () => void datagrams++ },
  });
  const mouth = await insideNetwork(last.fd, () => Bun.udpSocket({ hostname: last.address, port: 0 }));
  mouth.setBroadcast(true);
  mouth.send('x', 7007, '10.96.255.255');
  await eventually('a datagram', () => datagrams > 0);
  await Bun.sleep(100);
  expect(datagrams).toBe(1);
  mouth.close();
  ear.close();

  for (const { namespace } of all) namespace.close();
  namespaces.length = 0;
  await eventually('the links are gone', async () => {
    await Bun.sleep(200);
    // The last one's server holds its namespace.
    return named('veth').length <= 1;
  });
  await driver.removeNetwork(network);
  expect(links().filter(({ name }) => name.includes('big0'))).toEqual([]);
}, 240_000);
