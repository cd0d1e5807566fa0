import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { Harness } from '../../test/support/api/harness.ts';
import { TareError } from '../base/errors.ts';

const harness = new Harness();
beforeAll(() => harness.start());
afterAll(() => harness.stop());
beforeEach(() => {
  harness.engine.registries.calls = [];
});

describe('auth', () => {
  test('the credentials reach the registry client in our names', async () => {
    const body = { username: 'me', password: 'x', serveraddress: 'r:5000', email: 'ignored' };
    expect(await harness.json('POST', '/v1.51/auth', body)).toEqual({
      Status: 'Login Succeeded',
      IdentityToken: '',
    });
    const auth = Buffer.from('token:y').toString('base64');
    expect(await harness.json('POST', '/auth', { auth, serveraddress: 's' })).toMatchObject({
      IdentityToken: 'refresh',
    });
    await harness.json('POST', '/auth', { identitytoken: 'i' });
    expect(harness.engine.registries.calls).toEqual([
      ['r:5000', { username: 'me', password: 'x', serverAddress: 'r:5000' }],
      ['s', { username: 'token', password: 'y', serverAddress: 's' }],
      ['', { identityToken: 'i' }],
    ]);
  });

  test('refused credentials are 401, a wrong body is 400', async () => {
    const refused = await harness.call('POST', '/auth', { username: 'me', password: 'wrong' });
    expect(refused.status).toBe(401);
    expect(JSON.parse(refused.body).message).toContain('unauthorized: incorrect username or password');
    expect((await harness.call('POST', '/auth', { username: 1 })).status).toBe(400);
  });
});

describe('search', () => {
  const names = async (query: string) =>
    ((await harness.json('GET', `/images/search?term=nginx&${query}`)) as { name: string }[]).map(
      (one) => one.name,
    );
  const filter = (value: object) => `filters=${encodeURIComponent(JSON.stringify(value))}`;

  test('limit and credentials are handed on; the answer is in Docker’s names', async () => {
    const auth = Buffer.from(JSON.stringify({ username: 'me', password: 'x' })).toString('base64url');
    const answer = await harness.call('GET', '/images/search?term=nginx&limit=3', undefined, {
      'X-Registry-Auth': auth,
    });
    expect(JSON.parse(answer.body)[0]).toEqual({
      star_count: 20000,
      is_official: true,
      name: 'nginx',
      is_automated: false,
      description: 'Official build',
    });
    expect(harness.engine.registries.calls).toEqual([['nginx', 3, { username: 'me', password: 'x' }]]);
  });

  test.each([
    [{ stars: ['10'] }, ['nginx']],
    [{ stars: ['1', '5'] }, ['nginx']],
    [{ stars: { 3: true } }, ['nginx', 'me/nginx']],
    [{ 'is-official': ['true'] }, ['nginx']],
    [{ 'is-official': ['false'] }, ['me/nginx']],
    [{ 'is-automated': ['true'] }, []],
    [{ 'is-automated': ['0'] }, ['nginx', 'me/nginx']],
  ])('the filter %p leaves %p', async (given, expected) => {
    expect(await names(filter(given))).toEqual(expected);
  });

  test.each([
    [{ stars: ['many'] }, "invalid filter 'stars=many'"],
    [{ 'is-official': ['maybe'] }, "invalid filter 'is-official=[maybe]'"],
    [{ color: ['red'] }, "invalid filter 'color'"],
  ])('the filter %p is refused', async (given, words) => {
    const answer = await harness.call('GET', `/images/search?term=x&${filter(given)}`);
    expect(answer.status).toBe(400);
    expect(JSON.parse(answer.body).message).toStartWith(words);
  });
});

test('a pull that the registry refuses is no 401, at which docker would ask for a password', async () => {
  const { images } = harness.engine;
  images.pull = async () => {
    throw new TareError('unauthorized', 'Get "https://r/v2/": no basic auth credentials');
  };
  const answer = await harness.call('POST', '/images/create?fromImage=r/app&tag=v1');
  expect(answer.status).toBe(500);
  expect(JSON.parse(answer.body).message).toBe('Get "https://r/v2/": no basic auth credentials');
});

test('what a registry has is described in Docker’s names', async () => {
  expect(await harness.json('GET', '/v1.51/distribution/host:5000/a/b:1/json')).toEqual({
    Descriptor: {
      mediaType: 'application/vnd.oci.image.index.v1+json',
      digest: `sha256:${'a'.repeat(64)}`,
      size: 1234,
    },
    Platforms: [{ architecture: 'arm', os: 'linux', variant: 'v7' }],
  });
  expect(harness.engine.registries.calls).toEqual([['host:5000/a/b:1', undefined]]);
  expect((await harness.call('GET', '/distribution/UPPER/json')).status).toBe(400);
});
