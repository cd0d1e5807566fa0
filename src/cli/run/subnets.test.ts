import { expect, test } from 'bun:test';
import { ipamConfigs } from './subnets.ts';

const none = { subnets: [], ranges: [], gateways: [], auxiliary: {} };

test('ranges, gateways and addresses find their subnet', () => {
  expect(
    ipamConfigs({
      subnets: ['10.1.0.0/16', 'fd00::/64'],
      ranges: ['10.1.5.0/24'],
      gateways: ['fd00::1', '10.1.0.9'],
      auxiliary: { host: '10.1.0.2' },
    }),
  ).toEqual([
    {
      Subnet: '10.1.0.0/16',
      IPRange: '10.1.5.0/24',
      Gateway: '10.1.0.9',
      AuxiliaryAddresses: { host: '10.1.0.2' },
    },
    { Subnet: 'fd00::/64', Gateway: 'fd00::1' },
  ]);
  expect(ipamConfigs(none)).toEqual([]);
});

test.each([
  [{ gateways: ['10.1.0.1'] }, 'every ip-range or gateway must have a corresponding subnet'],
  [{ subnets: ['10.1.0.0/16'], gateways: ['10.2.0.1'] }, 'no matching subnet for gateway 10.2.0.1'],
  [{ subnets: ['10.1.0.0/16'], ranges: ['10.2.0.0/24'] }, 'no matching subnet for range 10.2.0.0/24'],
  [{ subnets: ['10.1.0.0/16'], auxiliary: { a: '1.1.1.1' } }, 'no matching subnet for aux-address 1.1.1.1'],
  [{ subnets: ['10.0.0.0/8', '10.1.0.0/16'] }, 'multiple overlapping subnet configuration is not supported'],
  [
    { subnets: ['10.1.0.0/16', '11.0.0.0/8'], gateways: ['10.1.0.1', '10.1.0.2'] },
    'cannot configure multiple gateways',
  ],
])('%j', (flags, message) => {
  expect(() => ipamConfigs({ ...none, ...flags })).toThrow(message);
});
