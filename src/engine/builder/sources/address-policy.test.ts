import { describe, expect, test } from 'bun:test';
import { checkRedirect, isOwnAddress } from './address-policy.ts';

describe('addresses of this machine', () => {
  for (const address of [
    ...['127.0.0.1', '127.9.9.9', '0.0.0.0', '169.254.169.254', '::1', '::', 'fe80::1', '::ffff:127.0.0.1'],
    ...['::ffff:7f00:1', '::ffff:a9fe:a9fe'],
  ]) {
    test(`${address} is one`, () => expect(isOwnAddress(address)).toBe(true));
  }
  for (const address of [
    '10.0.0.1',
    '192.168.1.1',
    '8.8.8.8',
    '2001:db8::1',
    '::ffff:8.8.8.8',
    'example.com',
  ]) {
    test(`${address} is none`, () => expect(isOwnAddress(address)).toBe(false));
  }
});

describe('redirects', () => {
  const from = new URL('http://10.1.2.3/file');
  for (const target of [
    'http://127.0.0.1:8080/secret',
    'http://169.254.169.254/latest/meta-data',
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://0x7f.1/',
    'http://localhost/',
    'file:///etc/passwd',
  ]) {
    test(`to ${target} is refused`, async () => {
      await expect(checkRedirect(from, new URL(target))).rejects.toThrow('refusing to follow a redirect');
    });
  }
  test('to another machine is followed', async () => {
    await checkRedirect(from, new URL('http://10.1.2.4/file'));
  });
  test('to the host that the Dockerfile names is followed', async () => {
    await checkRedirect(new URL('http://127.0.0.1:1/a'), new URL('http://127.0.0.1:2/b'));
  });
});
