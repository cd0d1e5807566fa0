/** What other machines reach and what not, tried from namespaces that stand for them; and rules that somebody flushes. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { ask, inNetworkOf, OtherHost, serverContainer, stopServers } from '../support/network-peers.ts';

const HOST = '198.51.100.1';
const OUTSIDE = '198.51.100.2';
const QUICK = { patience: 1 };

let daemon: TestDaemon;
let outside: OtherHost;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
  outside = await OtherHost.connect(daemon, 1, { own: [`${OUTSIDE}/24`], daemon: [`${HOST}/24`] });
  await out('network', 'create', 'other');
  await out('network', 'create', '--internal', 'shut');
}, 120_000);
afterAll(async () => {
  await stopServers();
  await outside?.close();
  await daemon?.stop();
}, 120_000);

const out = (...args: string[]) => daemon.ok('tare', args);
const here = () => ['nsenter', `--net=/run/netns/${daemon.bridge}`, '--'];
const addressOf = async (id: string) =>
  out('inspect', '-f', '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}', id);
const gatewayOf = (network: string) =>
  out('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', network);
const macOf = async (prefix: readonly string[], link: string) =>
  /link\/ether (\S+)/.exec(
    (await daemon.inNetwork([...prefix.slice(0), 'ip', 'link', 'show', link])).stdout,
  )![1]!;

/** Sends one TCP SYN (or a datagram) with whatever addresses, straight onto the link. */
async function send(from: OtherHost | string[], link: string, mac: string, packet: object): Promise<void> {
  const script = `
import json, socket, struct, sys
p = json.loads(sys.argv[1])
def total(data):
  s = sum(struct.unpack('!%dH' % (len(data) // 2), data))
  while s >> 16: s = (s & 0xffff) + (s >> 16)
  return ~s & 0xffff
src, dst = socket.inet_aton(p['src']), socket.inet_aton(p['dst'])
if p['kind'] == 'udp':
  body, number = struct.pack('!HHHH', 5555, p['port'], 10, 0) + b'xx', 17
else:
  tcp = lambda c: struct.pack('!HHIIBBHHH', 5555, p['port'], 1, 0, 5 << 4, 2, 1024, c, 0)
  body, number = tcp(total(src + dst + struct.pack('!BBH', 0, 6, 20) + tcp(0))), 6
head = lambda c: struct.pack('!BBHHHBBH4s4s', 0x45, 0, 20 + len(body), 1, 0, 64, number, c, src, dst)
s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
s.bind((p['link'], 0))
mac = lambda t: bytes.fromhex(t.replace(':', ''))
s.send(mac(p['mac']) + b'\\x02\\0\\0\\0\\0\\x01' + b'\\x08\\0' + head(total(head(0))) + body)`;
  const prefix = Array.isArray(from) ? from : [...from.prefix];
  const child = Bun.spawn([
    ...prefix,
    '/usr/bin/python3',
    '-S',
    '-c',
    script,
    JSON.stringify({ link, mac, ...packet }),
  ]);
  expect(await child.exited).toBe(0);
}

/** Packets that came to a closed or open port inside, whatever they were. */
async function received(prefix: readonly string[]): Promise<number> {
  const child = Bun.spawn([...prefix, 'cat', '/proc/net/snmp'], { stdout: 'pipe' });
  const text = await new Response(child.stdout).text();
  const line = text.split('\n').filter((one) => one.startsWith('Ip:'))[1]!;
  return Number(line.split(' ')[9]);
}

describe('from another machine that knows the way', () => {
  test('a container’s own address and a port that is not published are out of reach', async () => {
    const { id } = await serverContainer(daemon, [80, 81], '-p', '8400:80');
    const inner = await addressOf(id);
    await outside.ok('ip', 'route', 'replace', `${inner}/32`, 'via', HOST);
    expect(await outside.ask(HOST, 8400)).toBe(`hello ${OUTSIDE}`);
    for (const port of [80, 81, 8400]) expect(await outside.ask(inner, port, QUICK)).toBe('silence');
    expect(await outside.ask(HOST, 81, QUICK)).toBe('refused');
    // But the host reaches it.
    expect(await ask(here(), inner, 81)).toStartWith('hello ');
    await out('rm', '-f', id);
  }, 60_000);

  test('what is published on 127.0.0.1 is out of reach, with an address of the loopback on the wire too', async () => {
    const { id, prefix } = await serverContainer(
      daemon,
      [80],
      '-p',
      '127.0.0.1:8401:80',
      '-p',
      '127.0.0.1:8401:80/udp',
    );
    expect(await ask(here(), '127.0.0.1', 8401)).toStartWith('hello ');
    const mac = await macOf([], 'up1');
    // The end of that connection is counted too.
    await Bun.sleep(300);
    const before = await received(prefix);
    await outside.ok('sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1');
    for (const kind of ['tcp', 'udp']) {
      for (const src of [OUTSIDE, '127.0.0.1']) {
        await send(outside, 'eth0', mac, { kind, src, dst: '127.0.0.1', port: 8401 });
      }
    }
    expect(await outside.ask(HOST, 8401, QUICK)).not.toContain('hello');
    await Bun.sleep(200);
    expect(await received(prefix)).toBe(before);
    await out('rm', '-f', id);
  }, 60_000);

  test('a source that claims to be a container, or the loopback, is not believed', async () => {
    const { id, prefix } = await serverContainer(daemon, [80], '-p', '8402:80', '-p', '8402:80/udp');
    const peer = await out('run', '-d', 'busybox', 'sleep', '1000');
    const mac = await macOf([], 'up1');
    const before = await received(prefix);
    for (const kind of ['tcp', 'udp']) {
      for (const src of [await addressOf(peer), await gatewayOf('bridge'), '127.0.0.1']) {
        await send(outside, 'eth0', mac, { kind, src, dst: HOST, port: 8402 });
        await send(outside, 'eth0', mac, { kind, src, dst: await addressOf(id), port: 80 });
      }
    }
    await Bun.sleep(200);
    expect(await received(prefix)).toBe(before);
    // The same packet from an honest source arrives: the test would see it.
    await send(outside, 'eth0', mac, { kind: 'udp', src: OUTSIDE, dst: HOST, port: 8402 });
    await until('an honest one is counted', async () => (await received(prefix)) > before, 10_000);
    await out('rm', '-f', id, peer);
  }, 60_000);
});

describe('from a container', () => {
  test('the neighbour network is out of reach, by a route of its own and by a false source too', async () => {
    const { id, prefix } = await serverContainer(daemon, [80], '--network', 'other');
    const inner = await addressOf(id);
    const { id: thief, prefix: there } = await serverContainer(daemon, []);
    expect(await ask(there, inner, 80, QUICK)).toBe('silence');
    const bridgeMac = await macOf([], daemon.bridge);
    const before = await received(prefix);
    const [a, b] = [await addressOf(thief), await gatewayOf('other')];
    for (const src of [a, b, inner, '127.0.0.1']) {
      await send(there, 'eth0', bridgeMac, { kind: 'udp', src, dst: inner, port: 80 });
    }
    await Bun.sleep(200);
    expect(await received(prefix)).toBe(before);
    await out('rm', '-f', id, thief);
  }, 60_000);

  test('services of the host on 127.0.0.1 are out of reach, and so is what is published there', async () => {
    const { id } = await serverContainer(daemon, [80], '-p', '127.0.0.1:8403:80');
    const { prefix: there } = await serverContainer(daemon, []);
    const bridgeMac = await macOf([], daemon.bridge);
    const tracked = async () =>
      (await daemon.inNetwork(['cat', '/proc/net/nf_conntrack'])).stdout.match(
        /dst=127\.0\.0\.1 .*dport=8403/g,
      )?.length ?? 0;
    const before = await tracked();
    await send(there, 'eth0', bridgeMac, { kind: 'tcp', src: '10.9.9.9', dst: '127.0.0.1', port: 8403 });
    await Bun.sleep(100);
    expect(await tracked()).toBe(before);
    await out('rm', '-f', id);
  }, 60_000);

  test('an internal network has no way out: not outside, not to others, not to published ports', async () => {
    const { id } = await serverContainer(daemon, [80], '-p', '8404:80');
    const shut = await out('run', '-d', '--network', 'shut', 'busybox', 'sleep', '1000');
    const there = inNetworkOf(await out('inspect', '-f', '{{.State.Pid}}', shut));
    // A route that it makes for itself, as a container with the right to could.
    const gateway = await gatewayOf('shut');
    await daemon.inNetwork([...there, 'ip', 'route', 'replace', 'default', 'via', gateway]);
    expect(await outside.ask(HOST, 8404)).toBe(`hello ${OUTSIDE}`);
    for (const [host, port] of [
      [OUTSIDE, 80],
      [await addressOf(id), 80],
      [HOST, 8404],
      [gateway, 8404],
    ] as const) {
      expect(await ask(there, host, port, QUICK)).not.toContain('hello');
    }
    await out('rm', '-f', id, shut);
  }, 60_000);
});

test('a flush of all rules under traffic: open connections go on, and new ones work within seconds', async () => {
  const { id } = await serverContainer(daemon, [80], '-p', '8405:80');
  const script = `
import socket, sys, time
s = socket.create_connection(('${HOST}', 8405)); s.settimeout(10)
f = s.makefile('rb'); f.readline()
print('open', flush=True)
for i in range(60):
  line = ('line %d\\n' % i).encode()
  s.sendall(line)
  assert f.readline() == line
  time.sleep(0.05)
print('whole', flush=True)`;
  const client = Bun.spawn([...outside.prefix, '/usr/bin/python3', '-S', '-c', script], {
    stdout: 'pipe',
    stderr: 'pipe',
  });
  // It has said "open" when the first bytes come.
  const [first, whole] = client.stdout.tee();
  await first.getReader().read();
  const gaps: number[] = [];
  for (let round = 0; round < 3; round++) {
    const start = performance.now();
    await daemon.inNetwork(['nft', 'flush', 'ruleset']);
    await until(
      'the port answers again',
      async () => (await outside.ask(HOST, 8405, QUICK)) === `hello ${OUTSIDE}`,
      10_000,
    );
    gaps.push(Math.round(performance.now() - start));
  }
  console.log(`a new connection after a flush: ${gaps.join(', ')} ms`);
  expect([await new Response(whole).text(), await new Response(client.stderr).text()]).toEqual([
    'open\nwhole\n',
    '',
  ]);
  expect(await client.exited).toBe(0);
  await out('rm', '-f', id);
}, 90_000);
