import { expect, test } from 'bun:test';
import {
  contains,
  formatAddress,
  formatCidr,
  macOf,
  overlaps,
  parseAddress,
  parseCidr,
} from './addressing.ts';

test('addresses survive the way to numbers and back', () => {
  for (const text of [
    '0.0.0.0',
    '172.17.0.2',
    '255.255.255.255',
    '::',
    '::1',
    'fd00:1::abcd',
    '1:2:3:4:5:6:7:8',
  ]) {
    const { value, bits } = parseAddress(text);
    expect(formatAddress(value, bits)).toBe(text);
  }
  expect(formatAddress(parseAddress('::ffff:10.0.0.1').value, 128)).toBe('::ffff:a00:1');
  expect(formatAddress(parseAddress('1:0:0:2:0:0:0:3').value, 128)).toBe('1:0:0:2::3');
});

test('networks lose their host bits', () => {
  expect(formatCidr(parseCidr('172.17.0.2/16'))).toBe('172.17.0.0/16');
  expect(formatCidr(parseCidr('fd00:1::5/64'))).toBe('fd00:1::/64');
  for (const bad of ['', '10.0.0.0', '10.0.0.0/33', 'fd00::/129', '10.0.0/8', '10.0.0.0/-1', 'a/8']) {
    expect(() => parseCidr(bad)).toThrow('invalid');
  }
});

test('overlap and containment', () => {
  const cidr = parseCidr('172.17.0.0/16');
  expect(contains(cidr, parseAddress('172.17.255.255'))).toBe(true);
  expect(contains(cidr, parseAddress('172.18.0.0'))).toBe(false);
  expect(contains(parseCidr('0.0.0.0/0'), parseAddress('::1'))).toBe(false);
  expect(overlaps(cidr, parseCidr('172.16.0.0/12'))).toBe(true);
  expect(overlaps(cidr, parseCidr('172.18.0.0/16'))).toBe(false);
});

test('the classic hardware address', () => {
  expect(macOf('172.17.0.2/16')).toBe('02:42:ac:11:00:02');
});
