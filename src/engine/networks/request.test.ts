import { describe, expect, test } from 'bun:test';
import type { EndpointSettings } from '../containers/model.ts';
import { checkEndpointSettings } from './endpoint-settings.ts';
import type { CreateNetwork } from './networks.ts';
import { bridgeNetwork } from './request.ts';

const request: CreateNetwork = {
  name: 'app',
  driver: 'bridge',
  internal: false,
  attachable: false,
  enableIPv6: false,
  ipamDriver: '',
  ipamOptions: {},
  subnets: [],
  options: {},
  labels: {},
};
const around = {
  own: ['172.17.0.0/16'],
  host: () => ['172.18.0.0/24'],
  bridgeNames: ['tare0'],
  defaultMtu: 1500,
};
const make = (more: Partial<CreateNetwork>) => bridgeNetwork({ ...request, ...more }, around, 7);
const subnet = (text: string, more: Partial<CreateNetwork['subnets'][number]> = {}) => ({
  subnets: [{ subnet: text, gateway: '', ipRange: '', auxAddresses: {}, ...more }],
});

describe('a network as asked for', () => {
  test('gets a free subnet, a bridge named by its id and the defaults', () => {
    const network = make({});
    expect(network).toMatchObject({
      name: 'app',
      subnets: [{ subnet: '172.19.0.0/16', gateway: '172.19.0.1' }],
      mtu: 1500,
      icc: true,
      masquerade: true,
      hostBinding: '0.0.0.0',
      createdAt: 7,
    });
    expect(network.bridgeName).toBe(`br-${network.id.slice(0, 12)}`);
  });

  test('follows its options', () => {
    const options = {
      'com.docker.network.bridge.name': 'app0',
      'com.docker.network.bridge.enable_icc': 'false',
      'com.docker.network.bridge.enable_ip_masquerade': '0',
      'com.docker.network.bridge.host_binding_ipv4': '127.0.0.1',
      'com.docker.network.driver.mtu': '1400',
    };
    expect(make({ options })).toMatchObject({
      bridgeName: 'app0',
      icc: false,
      masquerade: false,
      hostBinding: '127.0.0.1',
      mtu: 1400,
      options,
    });
  });

  test('has IPv6 when asked, from a prefix of its own or the given one', () => {
    const own = make({ enableIPv6: true }).subnets[1];
    expect(own?.subnet).toMatch(/^fd[0-9a-f:]+::\/64$/);
    const given = make({ enableIPv6: true, ...subnet('fd00:9::/64') });
    expect(given.subnets.map((entry) => entry.gateway)).toEqual(['172.19.0.1', 'fd00:9::1']);
  });

  test('bad requests are refused in words that help', () => {
    const bad: Array<[Partial<CreateNetwork>, string]> = [
      [subnet('172.17.3.0/24'), 'invalid pool request: Pool overlaps with other one on this address space'],
      [subnet('10.0.0.1/24'), 'invalid subnet 10.0.0.1/24: it should be 10.0.0.0/24'],
      [subnet('nonsense'), 'invalid subnet nonsense: invalid CIDR block notation'],
      [subnet('10.0.0.0/24', { gateway: '10.0.1.1' }), 'invalid gateway 10.0.1.1: parent subnet 10.0.0.0/24'],
      [
        subnet('10.0.0.0/24', { ipRange: '10.0.1.0/25' }),
        'invalid ip-range 10.0.1.0/25: parent subnet 10.0.0.0/24',
      ],
      [
        subnet('10.0.0.0/24', { auxAddresses: { a: 'x' } }),
        'invalid auxiliary address a x: not an IP address',
      ],
      [{ options: { 'com.docker.network.bridge.name': 'a-name-that-is-too-long' } }, 'at most 15 characters'],
      [{ options: { 'com.docker.network.bridge.name': 'tare0' } }, 'in use by another network'],
      [{ options: { 'com.docker.network.bridge.enable_icc': 'maybe' } }, '"maybe" is not a boolean'],
      [{ options: { 'com.docker.network.driver.mtu': '12' } }, 'invalid MTU 12'],
    ];
    for (const [more, words] of bad) expect(() => make(more)).toThrow(words);
  });

  test('two subnets of one request may not overlap either', () => {
    const [one] = subnet('10.0.0.0/24').subnets;
    const [two] = subnet('10.0.0.128/25').subnets;
    if (!one || !two) throw new Error('no subnets');
    expect(() => make({ subnets: [one, two] })).toThrow('Pool overlaps');
  });
});

describe('settings of an endpoint', () => {
  const settings: EndpointSettings = {
    ipv4Address: '',
    ipv6Address: '',
    linkLocalIPs: [],
    links: [],
    aliases: [],
    macAddress: '',
    driverOpts: {},
    gwPriority: 0,
  };

  test('of its own need a network of its own', () => {
    const bridge = { ...make({}), name: 'bridge' };
    expect(() => checkEndpointSettings(bridge, settings)).not.toThrow();
    expect(() => checkEndpointSettings(bridge, { ...settings, ipv4Address: '172.17.0.9' })).toThrow(
      'user specified IP address is supported on user defined networks only',
    );
    expect(() => checkEndpointSettings(bridge, { ...settings, aliases: ['db'] })).toThrow(
      'network-scoped alias is supported only for containers in user defined networks',
    );
  });

  test('must be addresses', () => {
    const network = make({});
    expect(() => checkEndpointSettings(network, { ...settings, ipv4Address: 'fd00::1' })).toThrow(
      'invalid IPv4',
    );
    expect(() => checkEndpointSettings(network, { ...settings, macAddress: '02:42' })).toThrow('invalid MAC');
    expect(() => checkEndpointSettings(network, { ...settings, ipv6Address: 'fd00::1' })).toThrow(
      'only when connecting to networks with user configured subnets',
    );
    const linkLocalIPs = ['169.254.1.1', '10.0.0.1'];
    expect(() => checkEndpointSettings(network, { ...settings, linkLocalIPs })).toThrow(
      'invalid link-local IP address: 10.0.0.1',
    );
    expect(() =>
      checkEndpointSettings(network, { ...settings, macAddress: '02-42-AC-11-00-02' }),
    ).not.toThrow();
  });
});

test('an address is reserved once, and options that would change a network are refused', () => {
  const twice = (more: Partial<CreateNetwork['subnets'][number]>) => () => make(subnet('10.9.0.0/24', more));
  const taken = (address: string) =>
    `failed to allocate secondary ip address (a:${address}): Address already in use`;
  expect(twice({ auxAddresses: { a: '10.9.0.1' } })).toThrow(taken('10.9.0.1'));
  expect(twice({ gateway: '10.9.0.9', auxAddresses: { a: '10.9.0.9' } })).toThrow(taken('10.9.0.9'));
  make(subnet('10.9.0.0/24', { gateway: '10.9.0.9', auxAddresses: { a: '10.9.0.1' } }));
  const option = (name: string, value: string) => () =>
    make({ options: { [`com.docker.network.${name}`]: value } });
  expect(option('bridge.gateway_mode_ipv4', 'open')).toThrow('unknown gateway mode open');
  expect(option('bridge.gateway_mode_ipv6', 'isolated')).toThrow('only be used for an internal network');
  expect(option('bridge.gateway_mode_ipv4', 'routed')().gatewayModes).toEqual({
    ipv4: 'routed',
    ipv6: 'nat',
  });
  expect(option('bridge.inhibit_ipv4', 'true')().inhibitIPv4).toBe(true);
  expect(option('enable_ipv4', 'false')).toThrow('is not supported');
  expect(option('bridge.gateway_mode_ipv4', 'nat')().gatewayModes).toBeUndefined();
  expect(option('bridge.inhibit_ipv4', 'false')().inhibitIPv4).toBeUndefined();
});
