import { describe, expect, test } from 'bun:test';
import { endpointUrl, isInsecure, originsOf } from './endpoints.ts';
import { settingsOf } from './settings.ts';

describe('isInsecure', () => {
  test.each([
    ['127.0.0.1:5000', [], true],
    ['127.9.9.9', [], true],
    ['localhost', [], true],
    ['localhost:5000', [], true],
    ['[::1]:5000', [], true],
    ['10.1.2.3:5000', [], false],
    ['10.1.2.3:5000', ['10.0.0.0/8'], true],
    ['10.1.2.3:5000', ['10.1.2.3:5000'], true],
    ['10.1.2.3:5000', ['10.1.2.3:5001'], false],
    ['10.1.2.3:5000', ['10.1.2.3'], true],
    ['[fd00::5]:5000', ['fd00::/8'], true],
    ['registry.invalid', ['registry.invalid'], true],
    ['registry.invalid', ['10.0.0.0/8'], false],
    ['10.1.2.3', ['10.0.0.0/99', 'nonsense/8', '10.0.0.0/'], false],
  ] as const)('%s with %p: %p', async (host, listed, expected) => {
    expect(await isInsecure(host, listed)).toBe(expected);
  });
});

async function urls(domain: string, config: Parameters<typeof settingsOf>[0] = {}) {
  const origins = await originsOf(domain, settingsOf(config));
  return origins.map((origin) => origin.alternatives.map((endpoint) => endpointUrl(endpoint, '/v2/').href));
}

test('a registry is reached by https, an insecure one also by http', async () => {
  expect(await urls('registry.invalid')).toEqual([['https://registry.invalid/v2/']]);
  expect(await urls('127.0.0.1:5000')).toEqual([['https://127.0.0.1:5000/v2/', 'http://127.0.0.1:5000/v2/']]);
});

test('mirrors come before Docker Hub, with their path, and only there', async () => {
  const mirrors = ['http://127.0.0.1:81/hub/', 'https://10.0.0.1'];
  expect(await urls('docker.io', { mirrors })).toEqual([
    ['http://127.0.0.1:81/hub/v2/'],
    ['https://10.0.0.1/v2/'],
    ['https://registry-1.docker.io/v2/'],
  ]);
  expect(await urls('10.0.0.2', { mirrors })).toEqual([['https://10.0.0.2/v2/']]);
});
