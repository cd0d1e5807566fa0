import { describe, expect, test } from 'bun:test';
import {
  freeInterfaceIndex,
  noSettings,
  publishingEndpoint,
  restingEndpoint,
  withGateway,
} from './endpoints.ts';
import type { ContainerEndpoint } from './model.ts';

const endpoint = (name: string, gateway: string, gwPriority = 0, interfaceName = ''): ContainerEndpoint => ({
  ...restingEndpoint({ id: name, name }, { ...noSettings(), gwPriority }),
  gateway,
  interfaceName,
});
const chosen = (...endpoints: ContainerEndpoint[]) => publishingEndpoint(withGateway(endpoints))?.networkName;

describe('withGateway', () => {
  test('the first by name, among those with a way out', () => {
    expect(chosen(endpoint('b', '10.0.0.1'), endpoint('a', '10.1.0.1'))).toBe('a');
    expect(chosen(endpoint('b', '10.0.0.1'), endpoint('a', ''))).toBe('b');
    expect(chosen(endpoint('a', ''))).toBeUndefined();
  });

  test('the highest priority wins', () => {
    expect(chosen(endpoint('a', '10.0.0.1'), endpoint('b', '10.1.0.1', 1))).toBe('b');
    expect(chosen(endpoint('a', '10.0.0.1'), endpoint('b', '10.1.0.1', -1))).toBe('a');
  });

  test('only one has it, whoever had it before', () => {
    const had = { ...endpoint('z', '10.0.0.1'), defaultGateway: true };
    expect(withGateway([had, endpoint('a', '10.1.0.1')]).map((one) => one.defaultGateway)).toEqual([
      false,
      true,
    ]);
  });
});

test('the lowest free interface', () => {
  expect(freeInterfaceIndex([])).toBe(0);
  expect(freeInterfaceIndex([endpoint('a', '', 0, 'eth0'), endpoint('b', '', 0, 'eth2')])).toBe(1);
});
