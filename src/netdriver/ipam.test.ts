import { describe, expect, test } from 'bun:test';
import { firstHost, freeSubnet, NetworkAddresses } from './ipam.ts';

const pool = (subnet: string, more = {}) =>
  new NetworkAddresses([{ subnet, gateway: firstHost(subnet), ...more }], 'net (id)');

describe('addresses', () => {
  test('come ascending behind the gateway, and a freed one is not given at once', () => {
    const addresses = pool('172.17.0.0/16');
    expect([1, 2, 3].map(() => addresses.take(32, ''))).toEqual([
      '172.17.0.2/16',
      '172.17.0.3/16',
      '172.17.0.4/16',
    ]);
    addresses.release('172.17.0.3/16');
    expect(addresses.take(32, '')).toBe('172.17.0.5/16');
  });

  test('go round, leave out network, broadcast and reserved ones, and run out', () => {
    const addresses = pool('10.0.0.0/29', { auxAddresses: { router: '10.0.0.4' } });
    const given = [1, 2, 3, 4].map(() => addresses.take(32, ''));
    expect(given).toEqual(['10.0.0.2/29', '10.0.0.3/29', '10.0.0.5/29', '10.0.0.6/29']);
    expect(() => addresses.take(32, '')).toThrow(
      "no available IPv4 addresses on this network's address pools: net (id)",
    );
    addresses.release('10.0.0.3/29');
    expect(addresses.take(32, '')).toBe('10.0.0.3/29');
  });

  test('come from the range only, but a wish may lie outside of it', () => {
    const addresses = pool('10.0.0.0/24', { ipRange: '10.0.0.128/30' });
    expect([1, 2, 3, 4].map(() => addresses.take(32, ''))).toEqual([
      '10.0.0.128/24',
      '10.0.0.129/24',
      '10.0.0.130/24',
      '10.0.0.131/24',
    ]);
    expect(() => addresses.take(32, '')).toThrow('no available IPv4');
    expect(addresses.take(32, '10.0.0.7')).toBe('10.0.0.7/24');
  });

  test('that are wished for are checked', () => {
    const addresses = pool('10.0.0.0/24');
    expect(addresses.take(32, '10.0.0.9')).toBe('10.0.0.9/24');
    expect(() => addresses.take(32, '10.0.0.9')).toThrow('Address already in use');
    expect(() => addresses.take(32, '10.0.0.1')).toThrow('Address already in use');
    expect(() => addresses.take(32, '10.0.1.9')).toThrow(
      'no configured subnet or ip-range contain the IP address 10.0.1.9',
    );
    expect(() => addresses.take(32, 'x')).toThrow('invalid IP address: x');
  });

  test('of both families', () => {
    const addresses = new NetworkAddresses(
      [
        { subnet: '10.0.0.0/24', gateway: '10.0.0.1' },
        { subnet: 'fd00:1::/64', gateway: 'fd00:1::1' },
      ],
      'net (id)',
    );
    expect(addresses.take(128, '')).toBe('fd00:1::2/64');
    expect(addresses.take(128, 'fd00:1::abcd')).toBe('fd00:1::abcd/64');
    expect(pool('10.0.0.0/24').take(128, '')).toBe('');
  });

  test('of before a restart are claimed, and the next ones lie behind them', () => {
    const addresses = pool('172.17.0.0/16');
    expect(addresses.restore('172.17.0.9/16')).toBe(true);
    expect(addresses.restore('172.17.0.4/16')).toBe(true);
    expect(addresses.restore('172.17.0.4/16')).toBe(false);
    expect(addresses.take(32, '')).toBe('172.17.0.10/16');
  });
});

describe('subnets', () => {
  test('are the first that nobody uses', () => {
    expect(freeSubnet([])).toBe('172.17.0.0/16');
    expect(freeSubnet(['172.17.0.0/16', '172.18.4.0/24', '10.0.0.0/8'])).toBe('172.19.0.0/16');
    expect(freeSubnet(['172.16.0.0/12'])).toBe('192.168.0.0/20');
    expect(freeSubnet(['172.16.0.0/12', '192.168.0.0/16'])).toBe('10.128.0.0/24');
  });

  test('run out when all is used', () => {
    const all = ['172.16.0.0/12', '192.168.0.0/16', '10.0.0.0/8'];
    expect(() => freeSubnet(all)).toThrow('all predefined address pools have been fully subnetted');
  });
});

test('nobody gets the address of the network itself or its broadcast address', () => {
  const addresses = new NetworkAddresses([{ subnet: '10.14.0.0/29', gateway: '10.14.0.1' }], 'net');
  expect(() => addresses.take(32, '10.14.0.0')).toThrow('Address already in use');
  expect(() => addresses.take(32, '10.14.0.7')).toThrow('Address already in use');
  expect(addresses.take(32, '10.14.0.6')).toBe('10.14.0.6/29');
  const pair = new NetworkAddresses([{ subnet: '10.14.1.0/31', gateway: '10.14.1.0' }], 'net');
  expect(pair.take(32, '10.14.1.1')).toBe('10.14.1.1/31');
});
