/** Every form of published port, asked from everywhere; the daemon and its clients have networks of their own. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { ask, inNetworkOf, OtherHost, serverContainer, stopServers } from '../support/network-peers.ts';

const HOST = '198.51.100.1';
const HOST6 = '2001:db8:1::1';
const OUTSIDE = '198.51.100.2';
const OUTSIDE6 = '2001:db8:1::2';

let daemon: TestDaemon;
let outside: OtherHost;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
  outside = await OtherHost.connect(daemon, 1, {
    own: [`${OUTSIDE}/24`, `${OUTSIDE6}/64`],
    daemon: [`${HOST}/24`, '198.51.100.11/24', `${HOST6}/64`],
  });
  await out('network', 'create', 'other');
  await out('network', 'create', '--ipv6', '--subnet', 'fd00:77::/64', '--subnet', '10.177.0.0/24', 'six');
}, 120_000);
afterAll(async () => {
  await stopServers();
  await outside?.close();
  await daemon?.stop();
}, 120_000);

const out = (...args: string[]) => daemon.ok('tare', args);
const own = (host: string, port: number, protocol: 'tcp' | 'udp' = 'tcp', patience = 5) =>
  ask(['nsenter', `--net=/run/netns/${daemon.bridge}`, '--'], host, port, { protocol, patience });
const published = async (id: string, port: string) =>
  (await out('port', id, port)).split('\n').map((line) => Number(/:(\d+)$/.exec(line)![1]));

describe.each(['tcp', 'udp'] as const)('%s', (protocol) => {
  test('reaches the container from everywhere, and it sees who asks from outside', async () => {
    const { id, prefix } = await serverContainer(daemon, [80], '-p', `8100:80/${protocol}`);
    try {
      expect(await outside.ask(HOST, 8100, { protocol })).toBe(`hello ${OUTSIDE}`);
      expect(await outside.ask('198.51.100.11', 8100, { protocol })).toBe(`hello ${OUTSIDE}`);
      // A network without IPv6: passed on by the daemon.
      expect(await outside.ask(HOST6, 8100, { protocol })).toStartWith('hello ');
      for (const host of ['127.0.0.1', HOST, '::1', HOST6]) {
        expect(await own(host, 8100, protocol)).toStartWith('hello ');
      }
      // Itself, a neighbour, and one of another network, by the host's address.
      expect(await ask(prefix, HOST, 8100, { protocol })).toStartWith('hello ');
      for (const network of ['bridge', 'other']) {
        const peer = await out('run', '-d', '--network', network, 'busybox', 'sleep', '1000');
        const pid = await out('inspect', '-f', '{{.State.Pid}}', peer);
        expect(await ask(inNetworkOf(pid), HOST, 8100, { protocol })).toStartWith('hello ');
        await out('rm', '-f', peer);
      }
    } finally {
      await out('rm', '-f', id);
    }
    expect(await outside.ask(HOST, 8100, { protocol, patience: 1 })).not.toContain('hello');
    expect(await outside.ask(HOST6, 8100, { protocol, patience: 1 })).not.toContain('hello');
    expect(await own('::1', 8100, protocol, 1)).not.toContain('hello');
  }, 90_000);

  test('on a network with IPv6 the address of an outside client is seen on both families', async () => {
    const flags = ['--network', 'six', '-p', `8101:80/${protocol}`];
    const { id, prefix } = await serverContainer(daemon, [80], ...flags);
    try {
      expect(await outside.ask(HOST, 8101, { protocol })).toBe(`hello ${OUTSIDE}`);
      expect(await outside.ask(HOST6, 8101, { protocol })).toBe(`hello ${OUTSIDE6}`);
      expect(await own('::1', 8101, protocol)).toStartWith('hello ');
      expect(await own(HOST6, 8101, protocol)).toStartWith('hello ');
      expect(await ask(prefix, HOST6, 8101, { protocol })).toStartWith('hello ');
      await daemon.kill9();
      await daemon.start();
      expect(await outside.ask(HOST6, 8101, { protocol })).toBe(`hello ${OUTSIDE6}`);
      expect(await own('::1', 8101, protocol)).toStartWith('hello ');
    } finally {
      await out('rm', '-f', id);
    }
    expect(await outside.ask(HOST6, 8101, { protocol, patience: 1 })).not.toContain('hello');
  }, 90_000);

  test('at one address is at no other', async () => {
    const at = (host: string, port: number) => ['-p', `${host}:${port}:80/${protocol}`];
    const flags = [
      ...at(HOST, 8102),
      ...at('127.0.0.1', 8103),
      ...at('[::1]', 8104),
      ...at(`[${HOST6}]`, 8105),
    ];
    const { id } = await serverContainer(daemon, [80], ...flags);
    try {
      const quick = { protocol, patience: 1 };
      expect(await outside.ask(HOST, 8102, { protocol })).toBe(`hello ${OUTSIDE}`);
      expect(await outside.ask('198.51.100.11', 8102, quick)).not.toContain('hello');
      expect(await own('127.0.0.1', 8102, protocol, 1)).not.toContain('hello');
      expect(await own('127.0.0.1', 8103, protocol)).toStartWith('hello ');
      expect(await outside.ask(HOST, 8103, quick)).not.toContain('hello');
      expect(await own('::1', 8104, protocol)).toStartWith('hello ');
      expect(await outside.ask(HOST6, 8104, quick)).not.toContain('hello');
      expect(await outside.ask(HOST6, 8105, { protocol })).toStartWith('hello ');
      expect(await own('::1', 8105, protocol, 1)).not.toContain('hello');
    } finally {
      await out('rm', '-f', id);
    }
  }, 90_000);

  test('ranges, the first free port of a range, and random ones', async () => {
    const range = ['-p', `8110-8111:80-81/${protocol}`];
    const first = await serverContainer(daemon, [80, 81], ...range, '-p', `80/${protocol}`);
    expect(await outside.ask(HOST, 8110, { protocol })).toBe(`hello ${OUTSIDE}`);
    expect(await outside.ask(HOST, 8111, { protocol })).toBe(`hello ${OUTSIDE}`);
    const random = (await published(first.id, `80/${protocol}`)).find((port) => port !== 8110)!;
    expect(random).toBeGreaterThanOrEqual(32_768);
    expect(await outside.ask(HOST, random, { protocol })).toBe(`hello ${OUTSIDE}`);
    const second = await serverContainer(daemon, [80], '-p', `8110-8113:80/${protocol}`);
    expect(await published(second.id, `80/${protocol}`)).toEqual([8112, 8112]);
    expect(await outside.ask(HOST, 8112, { protocol })).toBe(`hello ${OUTSIDE}`);
    await out('rm', '-f', first.id, second.id);
  }, 60_000);

  test('-P publishes what is exposed, by the flag and by the image', async () => {
    const base = await out('create', 'busybox');
    await out('commit', '-c', `EXPOSE 80/${protocol}`, base, `exposing-${protocol}`);
    const id = await out(
      'run',
      '-d',
      '-P',
      '--expose',
      `90-91/${protocol}`,
      `exposing-${protocol}`,
      'sleep',
      '1000',
    );
    const shown = await out('port', id);
    for (const port of [80, 90, 91])
      expect(shown).toMatch(new RegExp(`^${port}/${protocol} -> 0\\.0\\.0\\.0:\\d+$`, 'm'));
    await out('rm', '-f', id, base);
    await out('rmi', `exposing-${protocol}`);
  }, 60_000);
});

test('sctp is led to the container, whether the kernel has sockets for it or not', async () => {
  const { id } = await serverContainer(daemon, [], '-p', '8120:80/sctp');
  expect(await out('port', id)).toBe('80/sctp -> 0.0.0.0:8120');
  expect(await out('ps', '--filter', `id=${id}`, '--format', '{{.Ports}}')).toBe('0.0.0.0:8120->80/sctp');
  const taken = await daemon.tare('run', '--rm', '-p', '8120:80/sctp', 'busybox', 'true');
  expect(taken.stderr).toContain('Bind for 0.0.0.0:8120 failed: port is already allocated');
  // An INIT chunk (RFC 9260) with its checksum, from outside.
  const script = `
import socket, struct
def crc32c(data):
  crc = 0xffffffff
  for byte in data:
    crc ^= byte
    for _ in range(8): crc = (crc >> 1) ^ (0x82f63b78 if crc & 1 else 0)
  return crc ^ 0xffffffff
chunk = struct.pack('!BBHIIHHI', 1, 0, 20, 77, 65536, 1, 1, 1)
head = lambda sum: struct.pack('!HHI', 5000, 8120, 0) + struct.pack('<I', sum) + chunk
socket.socket(socket.AF_INET, socket.SOCK_RAW, 132).sendto(head(crc32c(head(0))), ('${HOST}', 0))`;
  await outside.ok('/usr/bin/python3', '-c', script);
  const address = await out('inspect', '-f', '{{.NetworkSettings.IPAddress}}', id);
  const tracked = (await daemon.inNetwork(['cat', '/proc/net/nf_conntrack'])).stdout;
  expect(tracked).toMatch(
    new RegExp(`sctp .*src=${OUTSIDE} dst=${HOST} .*dport=8120 .*src=${address} dst=${OUTSIDE} sport=80`),
  );
  await out('rm', '-f', id);
}, 60_000);
