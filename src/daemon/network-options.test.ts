import { expect, test } from 'bun:test';
import { readNetworkOptions } from './network-options.ts';

test('pools from the file and from flags, with host bits cut off', () => {
  const pools = [{ base: '10.10.3.0/16', size: 24 }];
  expect(readNetworkOptions({}, { 'default-address-pools': pools }).addressPools).toEqual([
    { base: '10.10.0.0/16', size: 24 },
  ]);
  const flags = { 'default-address-pool': ['base=172.30.0.0/16,size=26', 'size=64,base=fd00:1::/48'] };
  expect(readNetworkOptions(flags, {}).addressPools).toEqual([
    { base: '172.30.0.0/16', size: 26 },
    { base: 'fd00:1::/48', size: 64 },
  ]);
  expect(readNetworkOptions({}, {})).toMatchObject({
    ...{ addressPools: [], icc: true, masquerade: true, hostBinding: '0.0.0.0', mtu: undefined },
  });
});

test('the default bridge as in a daemon.json of Docker', () => {
  const file = {
    bip: '10.1.0.1/24',
    'fixed-cidr': '10.1.0.128/25',
    mtu: 1400,
    icc: false,
    'ip-masq': false,
    ip: '127.0.0.1',
  };
  expect(readNetworkOptions({}, file)).toMatchObject({
    ...{ bip: '10.1.0.1/24', fixedCidr: '10.1.0.128/25', mtu: 1400, icc: false, masquerade: false },
    hostBinding: '127.0.0.1',
  });
  expect(readNetworkOptions({ icc: 'false', mtu: '9000' }, {})).toMatchObject({ icc: false, mtu: 9000 });
});

test('what is wrong is refused', () => {
  const pool = (base: string, size: number) =>
    readNetworkOptions({}, { 'default-address-pools': [{ base, size }] });
  expect(() => pool('10.0.0.0/16', 8)).toThrow('16 to 30 here');
  expect(() => pool('10.0.0.0/16', 31)).toThrow('16 to 30 here');
  expect(() => pool('10.0.0.0', 24)).toThrow('invalid default address pool "10.0.0.0"');
  expect(() => readNetworkOptions({ 'default-address-pool': ['10.0.0.0/8'] }, {})).toThrow(
    'write it as base=',
  );
  expect(() => readNetworkOptions({ icc: 'maybe' }, {})).toThrow('use true or false');
  expect(() => readNetworkOptions({ mtu: '12' }, {})).toThrow('invalid mtu 12');
  expect(() => readNetworkOptions({ ip: 'here' }, {})).toThrow('invalid ip "here"');
});
