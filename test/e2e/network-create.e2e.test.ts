/** `network create` in full: ranges, reserved addresses, both families, configurations, hundreds, what is refused. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);
afterEach(async () => {
  const ids = (await docker('network', 'ls', '-qf', 'type=custom')).split('\n').filter((id) => id !== '');
  const configurations = ids.length === 0 ? [] : await docker('network', 'rm', '-f', ...ids).catch(() => ids);
  // A configuration goes after those made from it.
  if (configurations === ids) await docker('network', 'rm', '-f', ...ids);
}, 120_000);

const docker = (...args: string[]) => daemon.ok('docker', args);
const create = (...args: string[]) => docker('network', 'create', ...args);
const refused = async (...args: string[]) => {
  const { code, stderr } = await daemon.client('docker', args);
  expect(code).not.toBe(0);
  return stderr;
};
const addresses = async (network: string, ...args: string[]) => {
  const shown = await docker(
    'run',
    '--rm',
    '--net',
    network,
    ...args,
    'busybox',
    'ip',
    '-o',
    'addr',
    'show',
    'eth0',
  );
  return [...shown.matchAll(/inet6? (\S+).* scope global/g)].map((match) => match[1] ?? '');
};
const config = async (network: string) =>
  JSON.parse(await docker('network', 'inspect', '-f', '{{json .IPAM.Config}}', network));

test('gateway, range and reserved addresses; a range that is used up', async () => {
  await create(
    '--subnet',
    '10.12.0.0/24',
    '--ip-range',
    '10.12.0.128/30',
    '--gateway',
    '10.12.0.254',
    'ranged',
  );
  expect(await config('ranged')).toEqual([
    { Subnet: '10.12.0.0/24', IPRange: '10.12.0.128/30', Gateway: '10.12.0.254' },
  ]);
  await create(
    '--subnet',
    '10.14.0.0/29',
    '--aux-address',
    'a=10.14.0.2',
    '--aux-address',
    'b=10.14.0.3',
    'small',
  );
  expect(await addresses('small')).toEqual(['10.14.0.4/29']);
  for (const address of ['10.14.0.0', '10.14.0.1', '10.14.0.2', '10.14.0.7']) {
    expect(await refused('run', '--rm', '--net', 'small', '--ip', address, 'busybox', 'true')).toContain(
      'Address already in use',
    );
  }
  for (const free of ['10.14.0.4', '10.14.0.5', '10.14.0.6']) {
    await docker(
      'run',
      '-d',
      '--name',
      `c${free}`,
      '--net',
      'small',
      '--ip',
      free,
      'busybox',
      'sleep',
      '1000',
    );
  }
  expect(await refused('run', '--rm', '--net', 'small', 'busybox', 'true')).toContain(
    "no available IPv4 addresses on this network's address pools: small",
  );
  expect(await refused('network', 'rm', 'small')).toContain('network small has active endpoints');
  await docker('rm', '-f', 'c10.14.0.4', 'c10.14.0.5', 'c10.14.0.6');
}, 120_000);

test('IPv6 with a subnet and without, and several subnets', async () => {
  await create(
    '--ipv6',
    '--subnet',
    'fd00:6::/64',
    '--gateway',
    'fd00:6::9',
    '--subnet',
    '10.24.0.0/24',
    'both',
  );
  const both = await addresses('both');
  expect(both).toContain('10.24.0.2/24');
  expect(both.find((address) => address.startsWith('fd00:6::'))).toEndWith('/64');
  await create('--ipv6', 'unique');
  const [, local] = await config('unique');
  expect(local.Subnet).toMatch(/^fd.*\/64$/);
  await create('--subnet', '10.15.0.0/24', '--subnet', '10.16.0.0/24', 'several');
  expect(await addresses('several', '--ip', '10.16.0.7')).toEqual(['10.16.0.7/24']);
}, 120_000);

test('a configuration, networks made from it, and what Docker refuses of them', async () => {
  await create('--config-only', '--subnet', '10.30.0.0/24', '--label', 'x=y', 'plan');
  await create('--config-from', 'plan', '--attachable', 'built');
  expect(await addresses('built')).toEqual(['10.30.0.2/24']);
  const shown = '{{.ConfigFrom.Network}} {{.ConfigOnly}} {{.Labels.x}} {{.Attachable}} {{.Driver}}';
  expect(await docker('network', 'inspect', '-f', shown, 'built')).toBe('plan false y true bridge');
  expect(await docker('network', 'inspect', '-f', shown, 'plan')).toBe(' true y false null');
  expect(await refused('network', 'rm', 'plan')).toContain('configuration network "plan" is in use');
  expect(await refused('network', 'create', '--config-from', 'built', 'z')).toContain(
    '"built" does not exist',
  );
  expect(await refused('run', '--rm', '--net', 'plan', 'busybox', 'true')).toContain(
    'cannot create endpoint on configuration-only network',
  );
  await daemon.kill9();
  await daemon.start();
  expect(await addresses('built')).toEqual(['10.30.0.2/24']);
  expect(await docker('network', 'prune', '-f')).toContain('built');
  expect(await docker('network', 'ls', '-f', 'label=x=y', '--format', '{{.Name}}')).toBe('plan');
}, 120_000);

test('what is refused, in words that help', async () => {
  await create('--subnet', '10.9.0.0/16', 'first');
  const cases: Array<[string[], string]> = [
    [['--subnet', '10.9.1.0/24'], 'Pool overlaps with other one on this address space'],
    [['--subnet', '10.10.0.0/24', '--gateway', '10.11.0.1'], 'no matching subnet for gateway 10.11.0.1'],
    [['--subnet', '10.10.0.0/24', '--ip-range', '10.13.0.0/25'], 'no matching subnet for range 10.13.0.0/25'],
    [['--subnet', '10.10.0.0/33'], 'invalid subnet 10.10.0.0/33'],
    [['--subnet', '10.10.0.0/24', '--aux-address', 'a=10.10.0.1'], '(a:10.10.0.1): Address already in use'],
    [['--ipv4=false'], 'without IPv4 is not supported'],
    [
      ['-o', 'com.docker.network.bridge.gateway_mode_ipv4=isolated'],
      "gateway mode 'isolated' can only be used for an internal network",
    ],
    [
      ['-o', 'com.docker.network.bridge.enable_icc=maybe'],
      'failed to parse com.docker.network.bridge.enable_icc',
    ],
    [['-d', 'nosuch'], 'plugin "nosuch" not found'],
  ];
  for (const [args, words] of cases) {
    expect(await refused('network', 'create', ...args, 'wrong')).toContain(words);
  }
  expect(await refused('network', 'create', 'first')).toContain('network with name first already exists');
  expect(await docker('network', 'ls', '-f', 'type=custom', '--format', '{{.Name}}')).toBe('first');
}, 120_000);

test('300 networks, none of them in the way of a route of the host', async () => {
  const routed = ['172.19.0.0/16', '192.168.0.0/17', '10.128.5.0/24'];
  // A VPN's, in a table of its own.
  await daemon.inNetwork(['ip', 'rule', 'add', 'lookup', '100']);
  await daemon.inNetwork(['ip', 'route', 'add', 'blackhole', '10.128.77.0/24', 'table', '100']);
  for (const route of routed) {
    expect(await daemon.inNetwork(['ip', 'route', 'add', 'blackhole', route])).toMatchObject({ code: 0 });
  }
  const started: string[] = [];
  for (let number = 0; number < 300; number++) {
    const response = await daemon.request('POST', '/networks/create', { Name: `n${number}` });
    expect(response.status).toBe(201);
    started.push(`n${number}`);
  }
  const all = (await (await daemon.request('GET', '/networks?filters={"type":["custom"]}')).json()) as Array<{
    IPAM: { Config: Array<{ Subnet: string }> };
  }>;
  const subnets = all.map((network) => network.IPAM.Config[0]?.Subnet ?? '');
  expect(new Set(subnets).size).toBe(300);
  expect(
    subnets.filter((it) => /^172\.19\.|^192\.168\.\d\d?\.|^192\.168\.1[01]\d\.|^10\.128\.(5|77)\./.test(it)),
  ).toEqual([]);
  expect(await addresses('n299')).toHaveLength(1);
  const pruned = await docker('network', 'prune', '-f');
  expect(pruned.split('\n').filter((line) => started.includes(line))).toHaveLength(300);
}, 240_000);

test('default-address-pools as Docker has them, and what they give when they are used up', async () => {
  const pools = [
    { base: '10.201.0.0/16', size: 24 },
    { base: 'fd00:77::/62', size: 64 },
  ];
  await using own = await startDaemon({
    isolated: true,
    bare: true,
    config: { 'default-address-pools': [{ base: '10.200.8.0/23', size: 24 }, ...pools], mtu: 1400 },
  });
  const subnets = async (...args: string[]) => {
    const id = await own.ok('docker', ['network', 'create', ...args]);
    return own.ok('docker', ['network', 'inspect', '-f', '{{range .IPAM.Config}}{{.Subnet}} {{end}}', id]);
  };
  expect((await subnets('a')).trim()).toBe('10.200.8.0/24');
  expect((await subnets('--ipv6', 'b')).trim()).toBe('10.200.9.0/24 fd00:77::/64');
  expect((await subnets('--ipv6', 'c')).trim()).toBe('10.201.0.0/24 fd00:77:0:1::/64');
  for (const name of ['d', 'e']) await subnets('--ipv6', name);
  const { stderr } = await own.docker('network', 'create', '--ipv6', 'f');
  expect(stderr).toContain('all predefined address pools have been fully subnetted');
}, 120_000);
