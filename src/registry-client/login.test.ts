import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { FakeRegistry, onPath } from '../../test/support/fake-registry.ts';
import { TareError } from '../base/errors.ts';
import { RegistryClient } from './client.ts';
import { domainOfServer } from './login.ts';
import type { RegistryCredentials } from './registry-client.ts';

const USER = { name: 'me', password: 'secret' };
const GOOD = { username: 'me', password: 'secret' };

let registry: FakeRegistry;
const client = new RegistryClient({ retryDelayMs: 1, connectTimeoutMs: 2000 });

beforeEach(async () => {
  registry = await FakeRegistry.start();
  registry.user = USER;
});
afterEach(() => registry[Symbol.asyncDispose]());

const login = (credentials: RegistryCredentials) =>
  client.checkLogin(registry.host, credentials, new AbortController().signal);

async function failureOf(work: Promise<unknown>): Promise<TareError> {
  const error = await work.then(
    () => new Error('it succeeded'),
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof TareError)) throw error;
  return error;
}

test.each([
  ['', 'docker.io'],
  ['https://index.docker.io/v1/', 'docker.io'],
  ['registry-1.docker.io', 'docker.io'],
  ['host:5000', 'host:5000'],
  ['http://host:5000/v2/', 'host:5000'],
  ['quay.io', 'quay.io'],
])('the server %p is %s', (server, domain) => {
  expect(domainOfServer(server)).toBe(domain);
});

test.each(['a b', 'https://me@host', 'host:nope'])('%p is no server', (server) => {
  expect(() => domainOfServer(server)).toThrow('unable to parse server address');
});

describe('a registry with basic authentication', () => {
  beforeEach(() => {
    registry.auth = 'basic';
  });

  test('takes the right password', async () => {
    expect(await login(GOOD)).toEqual({ identityToken: '' });
  });

  test('refuses the wrong one in Docker’s words, and it is not sent twice', async () => {
    const error = await failureOf(login({ ...GOOD, password: 'x' }));
    expect(error.kind).toBe('unauthorized');
    expect(error.message).toBe(
      `login attempt to http://${registry.host}/v2/ failed with status: 401 Unauthorized`,
    );
    expect(registry.seen.filter((request) => request.authorization !== undefined)).toHaveLength(1);
  });
});

describe('a registry with a token server', () => {
  beforeEach(() => {
    registry.auth = 'token';
  });

  test('gives an identity token, asked for as a login does', async () => {
    registry.refreshToken = 'refresh-1';
    expect(await login(GOOD)).toEqual({ identityToken: 'refresh-1' });
    expect(registry.tokenRequests[0]).toContain('offline_token=true');
    expect(registry.tokenRequests[0]).toContain('account=me');
    // The identity token alone is as good from then on, and a newer one replaces it.
    registry.refreshToken = 'refresh-2';
    expect(await login({ identityToken: 'refresh-1' })).toEqual({ identityToken: 'refresh-2' });
    expect(registry.tokenRequests[1]).toContain('refresh_token=refresh-1');
  });

  test('refuses the wrong password in Docker’s words', async () => {
    const error = await failureOf(login({ ...GOOD, password: 'x' }));
    expect(error.kind).toBe('unauthorized');
    expect(error.message).toBe(
      `Get "http://${registry.host}/v2/": unauthorized: incorrect username or password`,
    );
  });
});

test('an open registry takes anybody', async () => {
  expect(await login(GOOD)).toEqual({ identityToken: '' });
});

test('a server that fails, and none at all', async () => {
  registry.faults.push(onPath('/v2/', 9, (response) => response.writeHead(503).end()));
  const failed = await failureOf(login(GOOD));
  expect(failed.kind).toBe('unavailable');
  expect(failed.message).toContain('failed with status: 503 Service Unavailable');
  const none = await failureOf(client.checkLogin('127.0.0.1:1', GOOD, new AbortController().signal));
  expect(none.message).toContain('connect: connection refused');
});
