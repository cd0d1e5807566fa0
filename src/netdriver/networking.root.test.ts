import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { connect, createServer } from 'node:net';
import { eventually, LAB_ADDRESS, NetworkLab, OUTSIDE_ADDRESS } from '../../test/support/network-lab.ts';
import { silentLogger } from '../base/log.ts';
import { insideNetwork } from '../kernel/namespaces.ts';
import { listLinks } from '../kernel/netlink/links.ts';
import { NetlinkProtocol, NetlinkSocket } from '../kernel/netlink/socket.ts';
import { bareAddress, macOf } from './addressing.ts';
import type { EndpointSpec, NetworkDriver, NetworkNamespace, NetworkSpec, Publication } from './netdriver.ts';
import { type Networking, openNetworking } from './open.ts';
import { newHostInterface } from './plug.ts';

let lab: NetworkLab;
let networking: Networking;
let driver: NetworkDriver;
const namespaces: NetworkNamespace[] = [];

function open(): void {
  networking = openNetworking({ table: 'tare', log: silentLogger });
  const [bridge] = networking.drivers;
  if (!bridge) throw new Error('no driver');
  driver = bridge;
}

/** What a kill of the daemon leaves: everything in the kernel, nothing of the process. */
async function die(): Promise<void> {
  await networking.namespaces.close();
  await driver.close();
  networking.close();
}

beforeEach(() => {
  lab = new NetworkLab();
  open();
});
afterEach(async () => {
  for (const namespace of namespaces.splice(0)) namespace.close();
  await die();
  lab.close();
});

function net(name: string, third: number, more: Partial<NetworkSpec> = {}): NetworkSpec {
  return {
    id: name,
    name,
    driver: 'bridge',
    bridgeName: name,
    subnets: [{ subnet: `172.30.${third}.0/24`, gateway: `172.30.${third}.1` }],
    internal: false,
    mtu: 1500,
    icc: true,
    masquerade: true,
    hostBinding: '0.0.0.0',
    ...more,
  };
}

interface Joined {
  readonly fd: number;
  readonly address: string;
  readonly network: NetworkSpec;
  readonly endpoint: EndpointSpec;
  readonly namespace: NetworkNamespace;
}

async function join(network: NetworkSpec, host: number): Promise<Joined> {
  const namespace = await networking.namespaces.take(network);
  namespaces.push(namespace);
  const ipv4 = network.subnets[0]?.gateway.replace(/\.1$/, `.${host}/24`) ?? '';
  const endpoint: EndpointSpec = {
    id: `${network.id}-${host}`,
    networkId: network.id,
    containerId: `c${host}`,
    interfaceName: 'eth0',
    hostInterface: namespace.prepared?.hostInterface ?? newHostInterface(),
    macAddress: macOf(ipv4),
    ipv4,
    ipv6: '',
    defaultGateway: true,
  };
  await driver.join(network, endpoint, namespace);
  const joined = { fd: namespace.fd, address: bareAddress(ipv4), network, endpoint, namespace };
  lab.serve(joined.fd, endpoint.id);
  return joined;
}

const port = (hostPort: number, more: Partial<Publication> = {}): Publication => ({
  protocol: 'tcp',
  containerPort: 80,
  hostIp: '',
  hostPort,
  hostPortEnd: hostPort,
  ...more,
});
const publish = (to: Joined, ...wanted: Publication[]) => driver.publish(to.network, to.endpoint, wanted);

describe('a bridge network', () => {
  test('joins containers with each other, the host and the outside', async () => {
    const network = net('n1', 1);
    await driver.createNetwork(network);
    const [one, two] = [await join(network, 2), await join(network, 3)];
    lab.serve(lab.outside, 'outside', 9000);
    expect(await lab.ask(two.fd, one.address, 80)).toBe('n1-2 to 172.30.1.3');
    expect(await lab.ask(undefined, one.address, 80)).toBe('n1-2 to 172.30.1.1');
    // The outside sees the host's address.
    expect(await lab.ask(one.fd, OUTSIDE_ADDRESS, 9000)).toBe(`outside to ${LAB_ADDRESS}`);
    const shown = lab.inside(one.fd, 'ip', '-o', 'address', 'show', 'dev', 'eth0');
    expect(shown).toContain('inet 172.30.1.2/24 brd 172.30.1.255');
    expect(shown).not.toContain('inet6');
    expect(lab.inside(one.fd, 'ip', 'link', 'show', 'eth0')).toContain('02:42:ac:1e:01:02');
    expect(lab.inside(one.fd, 'ip', '-o', 'address', 'show', 'dev', 'lo')).toContain('127.0.0.1/8');
  });

  test('keeps namespaces ready, whose links go with them', async () => {
    const network = net('n1', 1);
    await driver.createNetwork(network);
    networking.namespaces.keepReady(network, 2);
    const route = NetlinkSocket.open(NetlinkProtocol.ROUTE);
    const links = () => listLinks(route).filter(({ name }) => name.startsWith('veth')).length;
    await eventually('two are ready', () => links() === 2);
    const one = await join(network, 2);
    expect(one.namespace.prepared?.networkId).toBe('n1');
    expect(await lab.ask(undefined, one.address, 80)).toBe('n1-2 to 172.30.1.1');
    await eventually('refilled', () => links() === 3);
    networking.namespaces.keepReady(network, 0);
    await driver.leave(network, one.endpoint);
    one.namespace.close();
    route.close();
  });

  test('is apart from other networks and from the outside', async () => {
    const [first, second, inner] = [net('n1', 1), net('n2', 2), net('n3', 3, { internal: true })];
    for (const network of [first, second, inner]) await driver.createNetwork(network);
    const [one, two, three, four] = [
      await join(first, 2),
      await join(second, 2),
      await join(inner, 2),
      await join(inner, 3),
    ];
    lab.serve(lab.outside, 'outside', 9000);
    lab.inside(lab.outside, 'ip', 'route', 'add', '172.30.0.0/16', 'via', LAB_ADDRESS);
    const tries: Array<[number, string, number]> = [
      [one.fd, two.address, 80],
      [lab.outside, one.address, 80],
      [lab.outside, three.address, 80],
      [one.fd, three.address, 80],
      [three.fd, one.address, 80],
      [three.fd, OUTSIDE_ADDRESS, 9000],
    ];
    const answers = await Promise.all(tries.map(([from, to, at]) => lab.ask(from, to, at)));
    expect(answers).toEqual(tries.map(() => 'silence'));
    expect(await lab.ask(four.fd, three.address, 80)).toBe('n3-2 to 172.30.3.3');
  }, 15_000);

  test('without icc keeps its containers from each other', async () => {
    const network = net('n1', 1, { icc: false });
    await driver.createNetwork(network);
    const [one, two] = [await join(network, 2), await join(network, 3)];
    expect(await lab.ask(two.fd, one.address, 80)).toBe('silence');
    expect(await lab.ask(undefined, one.address, 80)).toBe('n1-2 to 172.30.1.1');
  });

  test('is taken away without a trace', async () => {
    const network = net('n1', 1);
    await driver.createNetwork(network);
    await driver.removeNetwork(network);
    await driver.removeNetwork(network);
    expect(lab.run('ip', '-o', 'link')).not.toContain('n1');
    expect(lab.run('nft', 'list', 'table', 'inet', 'tare')).not.toContain('172.30');
    await networking.dismantle();
    expect(lab.run('nft', 'list', 'ruleset')).toBe('');
  });
});

describe('published ports', () => {
  test('answer the outside, the host, loopback of both families and containers', async () => {
    const [first, second] = [net('n1', 1), net('n2', 2)];
    for (const network of [first, second]) await driver.createNetwork(network);
    const [one, two, three] = [await join(first, 2), await join(first, 3), await join(second, 2)];
    expect(await publish(one, port(8080))).toEqual([
      port(8080, { hostIp: '0.0.0.0' }),
      port(8080, { hostIp: '::' }),
    ]);
    const own = 'n1-2 to';
    // The source is kept for the outside.
    expect(await lab.ask(lab.outside, LAB_ADDRESS, 8080)).toBe(`${own} ${OUTSIDE_ADDRESS}`);
    expect(await lab.ask(undefined, LAB_ADDRESS, 8080)).toBe(`${own} ${LAB_ADDRESS}`);
    expect(await lab.ask(undefined, '127.0.0.1', 8080)).toBe(`${own} 172.30.1.1`);
    expect(await askIPv6(8080)).toBe(`${own} 172.30.1.1\n`);
    expect(await lab.ask(two.fd, LAB_ADDRESS, 8080)).toBe(`${own} 172.30.1.1`);
    expect(await lab.ask(one.fd, '172.30.1.1', 8080)).toBe(`${own} 172.30.1.1`);
    expect(await lab.ask(three.fd, LAB_ADDRESS, 8080)).toBe(`${own} 172.30.1.1`);
    // Not around the host's port, and not the container's loopback.
    lab.inside(lab.outside, 'ip', 'route', 'add', '172.30.0.0/16', 'via', LAB_ADDRESS);
    expect(await lab.ask(lab.outside, one.address, 80)).toBe('silence');
    await driver.unpublish(one.endpoint);
    expect(await lab.ask(undefined, '127.0.0.1', 8080)).toBe('refused');
    expect(await lab.ask(lab.outside, LAB_ADDRESS, 8080)).toBe('refused');
  }, 15_000);

  test('on one address answer there only', async () => {
    const network = net('n1', 1);
    await driver.createNetwork(network);
    const one = await join(network, 2);
    await publish(one, port(8080, { hostIp: '127.0.0.1' }));
    expect(await lab.ask(undefined, '127.0.0.1', 8080)).toBe('n1-2 to 172.30.1.1');
    expect(await lab.ask(lab.outside, LAB_ADDRESS, 8080)).toBe('refused');
  });

  test('a service of the host on 127.0.0.1 stays out of reach of containers', async () => {
    const network = net('n1', 1);
    await driver.createNetwork(network);
    const one = await join(network, 2);
    const server = createServer((socket) => socket.end('host only')).listen(7000, '127.0.0.1');
    try {
      expect(await lab.ask(undefined, '127.0.0.1', 7000)).toBe('host only');
      lab.inside(one.fd, 'sysctl', '-qw', 'net.ipv4.conf.eth0.route_localnet=1');
      lab.inside(one.fd, 'ip', 'address', 'del', '127.0.0.1/8', 'dev', 'lo');
      lab.inside(one.fd, 'ip', 'route', 'flush', 'table', 'local');
      lab.inside(one.fd, 'ip', 'route', 'add', 'local', '172.30.1.2', 'dev', 'eth0', 'table', 'local');
      lab.inside(one.fd, 'ip', 'route', 'add', '127.0.0.1', 'via', '172.30.1.1', 'src', '172.30.1.2');
      expect(await lab.ask(one.fd, '127.0.0.1', 7000)).toBe('silence');
    } finally {
      server.close();
    }
  });

  test('that are taken say by whom', async () => {
    const network = net('n1', 1);
    await driver.createNetwork(network);
    const [one, two] = [await join(network, 2), await join(network, 3)];
    await publish(one, port(8080));
    expect(publish(two, port(8081), port(8080))).rejects.toMatchObject({
      kind: 'conflict',
      message: 'Bind for 0.0.0.0:8080 failed: port is already allocated',
    });
    const server = Bun.listen({ hostname: '127.0.0.1', port: 9090, socket: { data() {} } });
    try {
      await expect(publish(two, port(9090))).rejects.toMatchObject({
        kind: 'conflict',
        message: 'failed to bind host port 0.0.0.0:9090/tcp: address already in use',
      });
    } finally {
      server.stop(true);
    }
    await expect(publish(two, port(9090, { hostIp: '192.0.2.99' }))).rejects.toThrow(
      'failed to bind host port 192.0.2.99:9090/tcp: cannot assign requested address',
    );
    // Nothing of a failed one is left: 8081 is free.
    expect(await publish(two, port(8081))).toHaveLength(2);
    expect(await lab.ask(undefined, '127.0.0.1', 8081)).toBe('n1-3 to 172.30.1.1');
  });

  test('are held against other programs until they are unpublished', async () => {
    const network = net('n1', 1);
    await driver.createNetwork(network);
    const one = await join(network, 2);
    await publish(one, port(8080), port(5353, { protocol: 'udp', containerPort: 53 }));
    const listen = (hostname: string) => Bun.listen({ hostname, port: 8080, socket: { data() {} } });
    expect(() => listen('0.0.0.0')).toThrow();
    expect(() => listen('127.0.0.1')).toThrow();
    expect(() => listen('::')).toThrow();
    await driver.unpublish(one.endpoint);
    listen('127.0.0.1').stop(true);
  });

  test('of datagrams lead clients on that were there before, and again to the next container', async () => {
    const network = net('n1', 1);
    await driver.createNetwork(network);
    const [one, two] = [await join(network, 2), await join(network, 3)];
    const sockets: Array<{ close(): void }> = [];
    const heard: string[] = [];
    for (const { fd, endpoint } of [one, two]) {
      const echo = insideNetwork(fd, () =>
        Bun.udpSocket({
          hostname: '0.0.0.0',
          port: 53,
          socket: {
            data(socket, _data, at, from) {
              socket.send(endpoint.id, at, from);
            },
            error() {},
          },
        }),
      );
      sockets.push(await echo);
    }
    const opened = insideNetwork(lab.outside, () =>
      Bun.udpSocket({
        hostname: OUTSIDE_ADDRESS,
        port: 4000,
        // Refused while nothing is published, which the kernel reports on the socket.
        socket: { data: (_socket, data) => void heard.push(data.toString()), error() {} },
      }),
    );
    const client = await opened;
    sockets.push(client);
    const asked = async (): Promise<string | undefined> => {
      for (let tries = 0; tries < 20 && heard.length === 0; tries++) {
        client.send('?', 5353, LAB_ADDRESS);
        await Bun.sleep(10);
      }
      return heard.splice(0)[0];
    };
    try {
      expect(await asked()).toBeUndefined();
      const wanted = port(5353, { protocol: 'udp', containerPort: 53 });
      await publish(one, wanted);
      expect(await asked()).toBe('n1-2');
      await driver.unpublish(one.endpoint);
      await Bun.sleep(50);
      heard.splice(0);
      await publish(two, wanted);
      expect(await asked()).toBe('n1-3');
    } finally {
      for (const socket of sockets) socket.close();
    }
  });

  test('are found in a range or anywhere', async () => {
    const network = net('n1', 1);
    await driver.createNetwork(network);
    const [one, two] = [await join(network, 2), await join(network, 3)];
    const range = port(8000, { hostPortEnd: 8001 });
    expect((await publish(one, range)).map(({ hostPort }) => hostPort)).toEqual([8000, 8000]);
    expect((await publish(two, range)).map(({ hostPort }) => hostPort)).toEqual([8001, 8001]);
    expect(publish(two, range)).rejects.toThrow('Bind for 0.0.0.0:8000 failed: port is already allocated');
    const [random] = await publish(two, port(0));
    expect(random?.hostPort).toBeGreaterThanOrEqual(32_768);
    expect(await lab.ask(undefined, '127.0.0.1', random?.hostPort ?? 0)).toBe('n1-3 to 172.30.1.1');
  });
});

describe('after a crash', () => {
  test('everything is as it was, and what ended meanwhile is gone', async () => {
    const network = net('n1', 1);
    await driver.createNetwork(network);
    const [one, two] = [await join(network, 2), await join(network, 3)];
    const [kept] = [await publish(one, port(8080)), await publish(two, port(8081))];
    await die();
    // Rules go on without the daemon.
    expect(await lab.ask(lab.outside, LAB_ADDRESS, 8080)).toBe(`n1-2 to ${OUTSIDE_ADDRESS}`);
    open();
    await driver.restore([{ network, endpoints: [{ endpoint: one.endpoint, publications: kept }] }]);
    expect(await lab.ask(lab.outside, LAB_ADDRESS, 8080)).toBe(`n1-2 to ${OUTSIDE_ADDRESS}`);
    expect(await askIPv6(8080)).toBe('n1-2 to 172.30.1.1\n');
    expect(await lab.ask(undefined, '127.0.0.1', 8081)).toBe('refused');
    expect(() => Bun.listen({ hostname: '0.0.0.0', port: 8080, socket: { data() {} } })).toThrow();
    expect(lab.run('ip', '-o', 'link')).toContain(one.endpoint.hostInterface);
    expect(lab.run('ip', '-o', 'link')).not.toContain(two.endpoint.hostInterface);
  });

  test('a bridge that somebody removed is there again, with its containers', async () => {
    const network = net('n1', 1);
    await driver.createNetwork(network);
    const one = await join(network, 2);
    await die();
    lab.run('ip', 'link', 'delete', 'n1');
    open();
    await driver.restore([{ network, endpoints: [{ endpoint: one.endpoint, publications: [] }] }]);
    expect(await lab.ask(undefined, one.address, 80)).toBe('n1-2 to 172.30.1.1');
  });

  test('a port that another program took is left to it for loopback, and the container goes on', async () => {
    const network = net('n1', 1);
    await driver.createNetwork(network);
    const one = await join(network, 2);
    const kept = await publish(one, port(8080));
    await die();
    const server = Bun.listen({ hostname: '0.0.0.0', port: 8080, socket: { data() {} } });
    try {
      open();
      await driver.restore([{ network, endpoints: [{ endpoint: one.endpoint, publications: kept }] }]);
      expect(await lab.ask(lab.outside, LAB_ADDRESS, 8080)).toBe(`n1-2 to ${OUTSIDE_ADDRESS}`);
    } finally {
      server.stop(true);
    }
  });
});

describe('foreign firewalls', () => {
  test('a flush of all rules is mended', async () => {
    const network = net('n1', 1);
    await driver.createNetwork(network);
    const one = await join(network, 2);
    await publish(one, port(8080));
    lab.run('nft', 'flush', 'ruleset');
    await eventually(
      'the port answers again',
      async () => (await lab.ask(lab.outside, LAB_ADDRESS, 8080)) !== 'refused',
    );
    lab.run('nft', 'delete', 'chain', 'inet', 'tare', 'guard');
    await eventually('the chain is back', () =>
      lab.run('nft', 'list', 'table', 'inet', 'tare').includes('guard'),
    );
  });

  test('a forward policy of drop is answered by our accept rules, which go with the bridge', async () => {
    lab.run('iptables-nft', '-P', 'FORWARD', 'DROP');
    const network = net('n1', 1);
    await driver.createNetwork(network);
    const one = await join(network, 2);
    lab.serve(lab.outside, 'outside', 9000);
    expect(await lab.ask(one.fd, OUTSIDE_ADDRESS, 9000)).toBe(`outside to ${LAB_ADDRESS}`);
    lab.run('iptables-nft', '-F', 'FORWARD');
    await eventually(
      'they are back',
      () => lab.run('iptables-nft', '-S', 'FORWARD').split('tare:tare:n1').length === 3,
    );
    // dockerd comes: the rules move to its place for others.
    lab.run('iptables-nft', '-N', 'DOCKER-USER');
    lab.run('iptables-nft', '-I', 'FORWARD', '-j', 'DOCKER-USER');
    await eventually('they moved', () => !lab.run('iptables-nft', '-S', 'FORWARD').includes('tare'));
    expect(await lab.ask(one.fd, OUTSIDE_ADDRESS, 9000)).toBe(`outside to ${LAB_ADDRESS}`);
    await driver.removeNetwork(network);
    expect(lab.run('iptables-nft', '-S')).not.toContain('tare');
    expect(lab.run('iptables-nft', '-S', 'FORWARD')).toContain('-P FORWARD DROP');
  });

  test('containers stay out of the bridges that dockerd guards by its policy', async () => {
    for (const rule of [
      ['-P', 'FORWARD', 'DROP'],
      ['-N', 'DOCKER'],
      ['-A', 'FORWARD', '-o', 'docker9', '-j', 'DOCKER'],
    ]) {
      lab.run('iptables-nft', ...rule);
    }
    lab.run('ip', 'link', 'add', 'docker9', 'type', 'bridge');
    lab.run('ip', 'link', 'set', 'docker9', 'up');
    const network = net('n1', 1);
    await driver.createNetwork(network);
    expect(lab.run('nft', 'list', 'set', 'inet', 'tare', 'foreign')).toContain('docker9');
  });

  test('a drop policy in somebody’s own table as well', async () => {
    lab.run(
      'nft',
      'add table inet mine; add chain inet mine passing { type filter hook forward priority 0; policy drop; }',
    );
    const network = net('n1', 1);
    await driver.createNetwork(network);
    const one = await join(network, 2);
    lab.serve(lab.outside, 'outside', 9000);
    expect(await lab.ask(one.fd, OUTSIDE_ADDRESS, 9000)).toBe(`outside to ${LAB_ADDRESS}`);
    await driver.removeNetwork(network);
    expect(lab.run('nft', 'list', 'table', 'inet', 'mine')).not.toContain('tare');
  });
});

describe('the IPv6 forwarder', () => {
  test('passes both directions on to their ends', async () => {
    const network = net('n1', 1);
    await driver.createNetwork(network);
    const one = await join(network, 2);
    const echo = insideNetwork(one.fd, () =>
      createServer({ allowHalfOpen: true }, (socket) => {
        let size = 0;
        socket.on('data', (data) => {
          size += data.length;
        });
        socket.on('end', () => socket.end(String(size)));
      }).listen(7000, '0.0.0.0'),
    );
    try {
      await publish(one, port(7000, { containerPort: 7000 }));
      expect(await askIPv6(7000, Buffer.alloc(3_000_000))).toBe('3000000');
    } finally {
      echo.close();
    }
  });
});

/** Asks [::1]:port, from here; sends `data` and its end first. */
function askIPv6(at: number, data?: Buffer): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  let text = '';
  const socket = connect({ host: '::1', port: at, allowHalfOpen: true });
  socket.on('data', (chunk) => {
    text += chunk.toString();
  });
  socket.on('end', () => {
    resolve(text);
    socket.destroy();
  });
  socket.on('error', reject);
  if (data) socket.end(data);
  return promise;
}
