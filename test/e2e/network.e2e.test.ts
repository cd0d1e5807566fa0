/** The default bridge, in a network namespace of the daemon's own: rules and policies may be changed freely. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const out = (...args: string[]) => daemon.ok('tare', args);
const inside = async (...argv: string[]) => (await daemon.inNetwork(argv)).stdout.trim();
const SERVER = ['busybox', 'sh', '-c', 'echo hello > /tmp/index.html; exec httpd -f -p 80 -h /tmp'];
const address = (id: string) => out('inspect', '-f', '{{.NetworkSettings.Networks.bridge.IPAddress}}', id);
const get = (url: string) => daemon.inNetwork(['timeout', '3', 'busybox', 'wget', '-q', '-O', '-', url]);

async function serves(url: string): Promise<void> {
  await until(`${url} answers`, async () => (await get(url)).stdout === 'hello\n', 15_000);
}

test('a container has an address of the bridge, a route through it, and names', async () => {
  const id = await out('run', '-d', '-h', 'me', 'busybox', 'sleep', '1000');
  const own = await address(id);
  const gateway = await out('inspect', '-f', '{{.NetworkSettings.Networks.bridge.Gateway}}', id);
  expect(await out('exec', id, 'ip', 'route')).toContain(`default via ${gateway} dev eth0`);
  expect(await out('exec', id, 'ip', 'addr', 'show', 'eth0')).toContain(`inet ${own}/`);
  expect(await out('exec', id, 'cat', '/etc/hosts')).toContain(`${own}\tme`);
  expect(await out('exec', id, 'cat', '/etc/resolv.conf')).toContain('nameserver');
  expect(
    (await daemon.inNetwork(['ping', '-c', '1', '-W', '2', own])).code === 0 ||
      (await daemon.inNetwork(['busybox', 'ping', '-c', '1', '-W', '2', own])).code === 0,
  ).toBe(true);
  await out('rm', '-f', id);
});

test('containers reach each other by address', async () => {
  const server = await out('run', '-d', ...SERVER);
  const url = `http://${await address(server)}/`;
  await serves(url);
  expect(await out('run', '--rm', 'busybox', 'wget', '-q', '-O', '-', url)).toBe('hello');
  await out('rm', '-f', server);
});

test('addresses are not given twice, and are free again after the end', async () => {
  const ids = await Promise.all(
    Array.from({ length: 5 }, () => out('run', '-d', 'busybox', 'sleep', '1000')),
  );
  const addresses = await Promise.all(ids.map(address));
  expect(new Set(addresses).size).toBe(5);
  await out('rm', '-f', ...ids);
});

describe('published ports', () => {
  test('lead to the container, from 127.0.0.1 and from the bridge', async () => {
    const id = await out('run', '-d', '-p', '8081:80', ...SERVER);
    expect(await out('port', id)).toContain('80/tcp -> 0.0.0.0:8081');
    await serves('http://127.0.0.1:8081/');
    const gateway = await out('inspect', '-f', '{{.NetworkSettings.Networks.bridge.Gateway}}', id);
    await serves(`http://${gateway}:8081/`);
    // From another container, through the host's address.
    expect(await out('run', '--rm', 'busybox', 'wget', '-q', '-O', '-', `http://${gateway}:8081/`)).toBe(
      'hello',
    );
    // And from itself.
    expect(await out('exec', id, 'wget', '-q', '-O', '-', `http://${gateway}:8081/`)).toBe('hello');
    expect(await out('ps', '--filter', `id=${id}`, '--format', '{{.Ports}}')).toContain(
      '0.0.0.0:8081->80/tcp',
    );
    await out('rm', '-f', id);
    expect((await get('http://127.0.0.1:8081/')).code).not.toBe(0);
  });

  test('without a number of the host get one; of one address stay on it', async () => {
    const id = await out('run', '-d', '-p', '80', '-p', '127.0.0.1:8083:80', ...SERVER);
    const port = /:(\d+)/.exec(await out('port', id, '80/tcp'))![1]!;
    await serves(`http://127.0.0.1:${port}/`);
    await serves('http://127.0.0.1:8083/');
    const gateway = await out('inspect', '-f', '{{.NetworkSettings.Networks.bridge.Gateway}}', id);
    expect((await get(`http://${gateway}:8083/`)).code).not.toBe(0);
    await out('rm', '-f', id);
  });

  test('of udp: a datagram to the host arrives in the container', async () => {
    const id = await out('run', '-d', '-p', '8084:53/udp', 'busybox', 'sleep', '1000');
    // Nothing listens on port 53 (busybox has no UDP server): the kernel counts what came to no port.
    const counted = async () =>
      Number(/Udp: \d+ (\d+)/.exec(await out('exec', id, 'cat', '/proc/net/snmp'))![1]);
    const before = await counted();
    await daemon.inNetwork(['bash', '-c', 'echo word > /dev/udp/127.0.0.1/8084']);
    await until('the datagram was counted', async () => (await counted()) > before, 5000);
    await out('rm', '-f', id);
  });

  test('that are taken are refused in Docker words, and nothing stays', async () => {
    const id = await out('run', '-d', '-p', '8085:80', ...SERVER);
    const second = await daemon.tare('run', '-d', '--name', 'second', '-p', '8085:80', ...SERVER);
    expect(second.code).toBe(125);
    expect(second.stderr).toMatch(/port is already allocated|address already in use/);
    await out('rm', 'second');
    const other = daemon
      .inNetwork(['busybox', 'nc', '-l', '-p', '8086'], { timeout: 20_000 })
      .catch(() => undefined);
    await Bun.sleep(300);
    const third = await daemon.tare('run', '-d', '--name', 'third', '-p', '8086:80', ...SERVER);
    expect(third.code).toBe(125);
    expect(third.stderr).toContain('8086');
    await out('rm', 'third');
    await daemon.inNetwork(['sh', '-c', 'echo x | busybox nc -w 1 127.0.0.1 8086']);
    await other;
    await out('rm', '-f', id);
  });

  test('work again after the container was started again', async () => {
    const id = await out('run', '-d', '-p', '8087:80', ...SERVER);
    await serves('http://127.0.0.1:8087/');
    await out('restart', '-t', '0', id);
    await serves('http://127.0.0.1:8087/');
    await out('rm', '-f', id);
  });
});

test('beside a firewall whose FORWARD policy is drop, ports and neighbours still work, and its rules are left as they were', async () => {
  await daemon.inNetwork(['iptables', '-P', 'FORWARD', 'DROP']);
  const before = await inside('iptables-save', '-t', 'filter');
  await daemon.terminate();
  await daemon.start();
  const server = await out('run', '-d', '-p', '8088:80', ...SERVER);
  const url = `http://${await address(server)}/`;
  await serves('http://127.0.0.1:8088/');
  expect(await out('run', '--rm', 'busybox', 'timeout', '3', 'wget', '-q', '-O', '-', url)).toBe('hello');
  const during = await inside('iptables-save', '-t', 'filter');
  expect(during).toContain(':FORWARD DROP');
  const foreign = (text: string) =>
    text.split('\n').filter((line) => line.startsWith('-A') && !/tare/i.test(line));
  expect(foreign(during)).toEqual(foreign(before));
  await out('rm', '-f', server);
});
