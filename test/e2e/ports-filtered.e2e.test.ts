/** `"publish": "filtered"`: published ports obey the host's own input policy. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { ask, inNetworkOf, OtherHost, serverContainer, stopServers } from '../support/network-peers.ts';

const HOST = '198.51.100.1';
const HOST6 = '2001:db8:1::1';
const OUTSIDE = '198.51.100.2';
const OUTSIDE6 = '2001:db8:1::2';
const NO = { patience: 1 };

/** What an administrator writes: nothing comes in but what is named. */
const policy = (port: number) => `
table inet admin {
  chain input {
    type filter hook input priority filter; policy drop;
    iifname "lo" accept
    ct state established,related accept
    meta l4proto { icmp, ipv6-icmp } accept
    ip saddr ${OUTSIDE} tcp dport ${port} accept
    ip6 saddr ${OUTSIDE6} tcp dport ${port} accept
    udp dport ${port} accept
  }
}
`;

let daemon: TestDaemon;
let outside: OtherHost;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true, config: { publish: 'filtered' } });
  outside = await OtherHost.connect(daemon, 1, {
    own: [`${OUTSIDE}/24`, '198.51.100.3/24', `${OUTSIDE6}/64`],
    daemon: [`${HOST}/24`, `${HOST6}/64`],
  });
  // As ufw and many a hardened host have it: the kernel's check of sources is strict.
  await daemon.inNetwork(['sysctl', '-qw', 'net.ipv4.conf.all.rp_filter=1']);
  await out('network', 'create', '--ipv6', '--subnet', 'fd00:77::/64', '--subnet', '10.177.0.0/24', 'six');
}, 120_000);
afterAll(async () => {
  await stopServers();
  await outside?.close();
  await daemon?.stop();
}, 120_000);

const out = (...args: string[]) => daemon.ok('tare', args);
const nft = async (script: string) => {
  const { code, stderr } = await daemon.inNetwork(['nft', '-f', '-'], { input: script });
  if (code !== 0) throw new Error(stderr);
};
const own = (host: string, port: number) =>
  ask(['nsenter', `--net=/run/netns/${daemon.bridge}`, '--'], host, port, NO);

describe.each(['bridge', 'six'])('on network %s', (network) => {
  test('who the policy lets in reaches the container and is seen there; others do not', async () => {
    const flags = ['--network', network, '-p', '8200:80', '-p', '8200:80/udp', '-p', '8201:80'];
    const { id } = await serverContainer(daemon, [80], ...flags);
    try {
      // Without a policy as ever.
      expect(await outside.ask(HOST, 8201)).toBe(`hello ${OUTSIDE}`);
      await nft(policy(8200));
      const seen6 = network === 'six' ? `hello ${OUTSIDE6}` : 'hello ';
      expect(await outside.ask(HOST, 8200)).toBe(`hello ${OUTSIDE}`);
      expect(await outside.ask(HOST, 8200, { protocol: 'udp' })).toBe(`hello ${OUTSIDE}`);
      expect(await outside.ask(HOST6, 8200)).toStartWith(seen6);
      expect(await outside.ask(HOST6, 8200, { protocol: 'udp' })).toStartWith(seen6);
      expect(await outside.ask(HOST, 8200, { ...NO, from: '198.51.100.3' })).toBe('silence');
      expect(await outside.ask(HOST, 8201, NO)).toBe('silence');
      expect(await outside.ask(HOST6, 8201, NO)).toBe('silence');
      // The host itself.
      expect(await own('127.0.0.1', 8201)).toStartWith('hello ');
      expect(await own(HOST, 8201)).toStartWith('hello ');
      // A flush under the daemon brings it back.
      await daemon.inNetwork(['nft', 'flush', 'ruleset']);
      await nft(policy(8201));
      // Until then the host itself refuses.
      await until(
        'the rules are back',
        async () => (await outside.ask(HOST, 8201, NO)) === `hello ${OUTSIDE}`,
      );
      expect(await outside.ask(HOST, 8200, NO)).not.toContain('hello');
    } finally {
      await daemon.inNetwork(['nft', 'delete', 'table', 'inet', 'admin']);
      await out('rm', '-f', id);
    }
  }, 90_000);
});

test('containers are asked by the same policy, and an internal network stays shut in', async () => {
  await out('network', 'create', '--internal', 'shut');
  const { id, prefix } = await serverContainer(daemon, [80], '-p', '8202:80');
  const peerIn = async (network: string) => {
    const peer = await out('run', '-d', '--network', network, 'busybox', 'sleep', '1000');
    return inNetworkOf(await out('inspect', '-f', '{{.State.Pid}}', peer));
  };
  const neighbour = await peerIn('bridge');
  const elsewhere = await peerIn('six');
  const shut = await peerIn('shut');
  const gateway = await out('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', 'shut');
  expect(await ask(prefix, HOST, 8202)).toStartWith('hello ');
  expect(await ask(neighbour, HOST, 8202)).toStartWith('hello ');
  expect(await ask(elsewhere, HOST, 8202)).toStartWith('hello ');
  expect(await ask(shut, gateway, 8202, NO)).not.toContain('hello');
  await nft(policy(8203));
  expect(await ask(elsewhere, HOST, 8202, NO)).toBe('silence');
  await nft('delete table inet admin');
  await out('rm', '-f', id);
}, 60_000);

test('ports follow the container: published later, given back, after a kill -9', async () => {
  await nft(policy(8204));
  const { id } = await serverContainer(daemon, [80]);
  await out('update', '--publish-add', '8204:80', id);
  expect(await outside.ask(HOST, 8204)).toBe(`hello ${OUTSIDE}`);
  await daemon.kill9();
  // No daemon is needed for it.
  expect(await outside.ask(HOST, 8204)).toBe(`hello ${OUTSIDE}`);
  await daemon.start();
  expect(await outside.ask(HOST, 8204)).toBe(`hello ${OUTSIDE}`);
  await out('update', '--publish-rm', '8204:80', id);
  expect(await outside.ask(HOST, 8204, NO)).toBe('refused');
  await out('rm', '-f', id);
  await nft('delete table inet admin');
}, 60_000);

test('without it a published port is open to all, as with Docker, and its links are taken away', async () => {
  await using open = await startDaemon({ isolated: true });
  await using client = await OtherHost.connect(open, 2, { own: [`${OUTSIDE}/24`], daemon: [`${HOST}/24`] });
  await open.inNetwork(['nft', '-f', '-'], { input: policy(1) });
  const { id } = await serverContainer(open, [80], '-p', '8205:80');
  expect(await client.ask(HOST, 8205)).toBe(`hello ${OUTSIDE}`);
  await open.ok('tare', ['rm', '-f', id]);
  expect((await open.inNetwork(['ip', 'link'])).stdout).not.toContain('tarein');
}, 60_000);
