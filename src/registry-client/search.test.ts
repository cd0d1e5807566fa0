import { afterEach, beforeEach, expect, test } from 'bun:test';
import { FakeRegistry, onPath } from '../../test/support/fake-registry.ts';
import { RegistryClient } from './client.ts';

let registry: FakeRegistry;
let asked: string[];
const client = new RegistryClient({ connectTimeoutMs: 2000 });

beforeEach(async () => {
  registry = await FakeRegistry.start();
  asked = [];
  registry.faults.push((request, response, path) => {
    if (path !== '/v1/search') return false;
    asked.push(`${request.url} ${request.headers.authorization ?? ''}`.trimEnd());
    response.end(
      JSON.stringify({
        results: [
          { name: 'app', description: 'An app', star_count: 7, is_official: true, is_automated: true },
          { name: 'x/app' },
          null,
        ],
      }),
    );
    return true;
  });
});
afterEach(() => registry[Symbol.asyncDispose]());

const search = (name: string, limit = 0, auth = {}) =>
  client.search(`${registry.host}/${name}`, { limit, auth, signal: new AbortController().signal });

test('a registry’s own search is asked as dockerd asks it', async () => {
  expect(await search('an app&more')).toEqual([
    { name: 'app', description: 'An app', stars: 7, official: true },
    { name: 'x/app', description: '', stars: 0, official: false },
  ]);
  await search('app', 100, { username: 'me', password: 'x' });
  expect(asked).toEqual([
    '/v1/search?q=an+app%26more&n=25',
    `/v1/search?q=app&n=100 Basic ${Buffer.from('me:x').toString('base64')}`,
  ]);
});

test('an identity token becomes a token for the search', async () => {
  registry.auth = 'token';
  registry.faults.unshift((request, response, path) => {
    if (path !== '/v1/search' || request.headers.authorization?.startsWith('Bearer ')) return false;
    response.writeHead(401, {
      'WWW-Authenticate': `Bearer realm="http://${registry.host}/token",service="fake"`,
    });
    response.end();
    return true;
  });
  await search('app', 0, { identityToken: 'refresh' });
  expect(asked).toEqual(['/v1/search?q=app&n=25 Bearer token-1']);
  expect(registry.tokenRequests[0]).toContain('scope=registry%3Acatalog%3Asearch');
});

test('what cannot be asked or answered', async () => {
  await expect(search('app', 101)).rejects.toThrow('limit 101 is outside the range of [1, 100]');
  await expect(search('app', -1)).rejects.toThrow('limit -1 is outside the range of [1, 100]');
  const signal = new AbortController().signal;
  await expect(client.search('https://x/app', { limit: 0, signal })).rejects.toThrow(
    'repository name (https://x/app) should not have a scheme',
  );
  registry.faults.unshift(onPath('/v1/', 1, (response) => response.writeHead(404).end()));
  await expect(search('app')).rejects.toThrow('Unexpected status code 404');
  registry.faults.unshift(onPath('/v1/', 1, (response) => response.end('<html>')));
  await expect(search('app')).rejects.toThrow('error decoding registry search results');
});
