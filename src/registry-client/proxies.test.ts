import { describe, expect, test } from 'bun:test';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { RegistryClient } from './client.ts';
import { proxiesFromEnvironment, proxyChoice } from './proxies.ts';

const chosen = (url: string, no = '') =>
  proxyChoice({ http: 'http://plain:3128', https: 'secure:3128', no })(new URL(url));

describe('the proxy of a request', () => {
  test.each([
    ['http://registry.test', '', 'http://plain:3128'],
    ['https://registry.test', '', 'http://secure:3128'],
    ['https://localhost:5000', '', undefined],
    ['http://127.0.0.9:5000', '', undefined],
    ['http://[::1]:5000', '', undefined],
    ['https://registry.test', 'other.test, registry.test', undefined],
    ['https://a.registry.test', 'registry.test', undefined],
    ['https://aregistry.test', 'registry.test', 'http://secure:3128'],
    ['https://registry.test', '.registry.test', 'http://secure:3128'],
    ['https://a.registry.test', '.registry.test', undefined],
    ['https://a.registry.test', '*.registry.test', undefined],
    ['https://registry.test:5000', 'registry.test:5000', undefined],
    ['https://registry.test', 'registry.test:5000', 'http://secure:3128'],
    ['https://registry.test', 'registry.test:443', undefined],
    ['https://registry.test', '*', undefined],
    ['https://10.1.2.3', '10.0.0.0/8', undefined],
    ['https://11.1.2.3', '10.0.0.0/8', 'http://secure:3128'],
    ['https://10.1.2.3', '10.1.2.3', undefined],
    ['https://[fd00::1]', 'fd00::/8', undefined],
    ['https://[fd00::1]', 'fd00::1', undefined],
    ['https://registry.test', '10.0.0.0/99,x/8', 'http://secure:3128'],
  ])('of %s without %p is %p', (url, no, expected) => {
    expect(chosen(url, no)).toBe(expected);
  });

  test('the environment is read in capitals or not', () => {
    expect(proxiesFromEnvironment({ HTTPS_PROXY: 'http://p', no_proxy: 'x', HTTP_PROXY: '' })).toEqual({
      http: '',
      https: 'http://p',
      no: 'x',
    });
    expect(proxyChoice(proxiesFromEnvironment({}))(new URL('http://x'))).toBeUndefined();
  });
});

test('requests go through the proxy, and straight where it is not wanted', async () => {
  const seen: string[] = [];
  const proxy = createServer((request, response) => {
    seen.push(request.url ?? '');
    response.end('{}');
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  const http = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  const signal = new AbortController().signal;
  const login = (no: string) =>
    new RegistryClient({
      insecureRegistries: ['registry.invalid:5000'],
      connectTimeoutMs: 2000,
      proxyFor: proxyChoice({ http, https: '', no }),
    }).checkLogin('registry.invalid:5000', {}, signal);
  try {
    expect(await login('')).toEqual({ identityToken: '' });
    expect(seen).toEqual(['http://registry.invalid:5000/v2/']);
    await expect(login('.invalid')).rejects.toThrow('registry.invalid');
    expect(seen).toHaveLength(1);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
});
