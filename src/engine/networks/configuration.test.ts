import { describe, expect, test } from 'bun:test';
import { checkConfigurationUnused, configurationNetwork, configured } from './configuration.ts';
import type { CreateNetwork } from './networks.ts';

const request: CreateNetwork = {
  name: 'net',
  driver: 'bridge',
  internal: false,
  attachable: false,
  enableIPv6: false,
  ipamDriver: 'default',
  ipamOptions: {},
  subnets: [],
  options: {},
  labels: {},
};
const subnets = [{ subnet: '10.30.0.0/24', gateway: '', ipRange: '10.30.0.64/26', auxAddresses: {} }];
const source = configurationNetwork(
  { ...request, name: 'config', subnets, options: { a: 'b' }, labels: { x: 'y', z: '1' }, configOnly: true },
  7,
);
const find = (ref: string) => (ref === 'config' ? source : undefined);

describe('a configuration', () => {
  test('keeps what was asked for and makes nothing', () => {
    expect(source).toMatchObject({ driver: 'null', bridgeName: '', configOnly: true, createdAt: 7 });
    expect(source.subnets).toEqual([{ subnet: '10.30.0.0/24', gateway: '', ipRange: '10.30.0.64/26' }]);
  });

  test('has no fields of an operator and no configuration of its own', () => {
    const make = (more: Partial<CreateNetwork>) => () => configurationNetwork({ ...request, ...more }, 7);
    expect(make({ internal: true })).toThrow(
      'configuration network can only contain network specific fields',
    );
    expect(make({ attachable: true })).toThrow('network specific fields');
    expect(make({ configFrom: 'config' })).toThrow('cannot depend on another configuration network');
    expect(make({ subnets: [{ ...subnets[0]!, gateway: '10.31.0.1' }] })).toThrow('does not contain it');
  });

  test('fills a request in; labels of the network win', () => {
    const wanted = { ...request, configFrom: 'config', internal: true, labels: { z: '2' } };
    expect(configured(wanted, find)).toEqual({
      ...{ ...wanted, subnets, options: { a: 'b' } },
      labels: { x: 'y', z: '2' },
    });
    expect(configured(request, find)).toBe(request);
  });

  test('must be there, and stands alone', () => {
    const make = (more: Partial<CreateNetwork>) => () => configured({ ...request, ...more }, find);
    expect(make({ configFrom: 'none' })).toThrow('configuration network "none" does not exist');
    const message = 'user specified configurations are not supported if the network depends on a';
    expect(make({ configFrom: 'config', subnets })).toThrow(message);
    expect(make({ configFrom: 'config', options: { c: 'd' } })).toThrow(message);
    expect(make({ configFrom: 'config', enableIPv6: true })).toThrow(message);
  });

  test('stays while a network was made from it', () => {
    const user = { ...source, name: 'user', configOnly: false, configFrom: 'config' };
    expect(() => checkConfigurationUnused(source, [source, user])).toThrow('"config" is in use');
    checkConfigurationUnused(source, [source]);
    checkConfigurationUnused(user, [source, user]);
  });
});
