import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codeOf, TestRegistry } from '../../test/support/registry-server.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tare-regauth-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
const file = (text: string) => {
  const path = join(folder, `file${files++}`);
  writeFileSync(path, text);
  return path;
};
const hash = (password: string) =>
  Bun.password.hashSync(password, { algorithm: 'bcrypt', cost: 4 }).replace('$2b$', '$2y$');
const basic = (user: string, password = user) => ({
  Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
});
const HTPASSWD = ['alice', 'bob', 'carol'].map((user) => `${user}:${hash(user)}\n`).join('');

/** What each endpoint answers somebody without or with headers; a refusal is 401 or 403. */
async function statuses(registry: TestRegistry, repository: string, headers: Record<string, string>) {
  const ask = async (method: string, path: string) =>
    (await registry.request(`/v2/${repository}/${path}`, { method, headers })).status;
  return {
    pull: await ask('GET', 'manifests/v1'),
    head: await ask('HEAD', 'manifests/v1'),
    tags: await ask('GET', 'tags/list'),
    push: await ask('POST', 'blobs/uploads/'),
    delete: await ask('DELETE', 'manifests/none'),
  };
}
const ALL = { pull: 200, head: 200, tags: 200, push: 202, delete: 404 };
const READ = { ...ALL, push: 403, delete: 403 };
const NONE = { pull: 403, head: 403, tags: 403, push: 403, delete: 403 };
const STRANGER = { pull: 401, head: 401, tags: 401, push: 401, delete: 401 };

/** Pushed while nothing is guarded. */
async function filledRoot(): Promise<string> {
  const open = await TestRegistry.start();
  for (const name of ['team/app', 'public/app', 'secret'])
    await open.pushImage(name, 'v1', [randomBytes(10)]);
  await open.running.close();
  return open.root;
}

describe('htpasswd alone', () => {
  test('whoever logs in may do everything, nobody else anything', async () => {
    await using registry = await TestRegistry.start({ root: await filledRoot(), htpasswd: file(HTPASSWD) });
    expect(await statuses(registry, 'team/app', basic('alice'))).toEqual(ALL);
    for (const headers of [{}, basic('alice', 'wrong'), basic('nobody'), { Authorization: 'Bearer x' }]) {
      expect(await statuses(registry, 'team/app', headers)).toEqual(STRANGER);
      const ping = await registry.request('/v2/', { headers });
      expect([ping.status, await codeOf(ping)]).toEqual([401, 'UNAUTHORIZED']);
      expect(ping.headers.get('www-authenticate')).toBe('Basic realm="Tare registry"');
    }
    expect((await registry.request('/v2/', { headers: basic('bob') })).status).toBe(200);
    expect((await registry.request('/v2/_catalog')).status).toBe(401);
  });

  test('the file is read again when it changes; a broken one changes nothing', async () => {
    const path = file(HTPASSWD);
    await using registry = await TestRegistry.start({ htpasswd: path });
    const ping = async (user: string) => (await registry.request('/v2/', { headers: basic(user) })).status;
    expect([await ping('alice'), await ping('dave')]).toEqual([200, 401]);
    writeFileSync(path, `dave:${hash('dave')}\n# alice left\n`);
    expect([await ping('alice'), await ping('dave')]).toEqual([401, 200]);
    writeFileSync(path, 'dave:plain text\n');
    expect(await ping('dave')).toBe(200);
    rmSync(path);
    expect(await ping('dave')).toBe(200);
  });

  test('refused at start: other hashes, missing files, flags that do not go together', async () => {
    const start = (settings: object) =>
      TestRegistry.start(settings).then(
        () => 'started',
        (error: Error) => error.message,
      );
    expect(await start({ htpasswd: file('a:{SHA}xyz\n') })).toContain('htpasswd -B');
    expect(await start({ htpasswd: join(folder, 'nothing') })).toContain('ENOENT');
    expect(await start({ authConfig: file('{}') })).toContain('--htpasswd');
    expect(await start({ tokenRealm: 'https://x' })).toContain('--token-key');
    expect(await start({ tlsCertificate: file('x') })).toContain('--tls-key');
    for (const rights of [
      '[',
      '[]',
      '{"user":{}}',
      '{"users":{"a":[{"actions":[]}]}}',
      '{"anonymous":[{"repository":"a","actions":["write"]}]}',
    ]) {
      expect(await start({ htpasswd: file(HTPASSWD), authConfig: file(rights) })).toContain('cannot read');
    }
  });
});

describe('rights by repository', () => {
  const rights = {
    users: {
      '*': [{ repository: 'public/**', actions: ['pull'] }],
      alice: [{ repository: '**', actions: ['*'] }],
      bob: [{ repository: 'team/*', actions: ['pull', 'push'] }],
    },
  };

  test('the matrix', async () => {
    await using registry = await TestRegistry.start({
      root: await filledRoot(),
      htpasswd: file(HTPASSWD),
      authConfig: file(JSON.stringify(rights)),
    });
    const of = (user: string, repository: string) => statuses(registry, repository, basic(user));
    for (const name of ['team/app', 'public/app', 'secret']) expect(await of('alice', name)).toEqual(ALL);
    expect(await of('bob', 'team/app')).toEqual({ ...ALL, delete: 403 });
    expect(await of('bob', 'public/app')).toEqual(READ);
    expect(await of('bob', 'secret')).toEqual(NONE);
    expect(await of('carol', 'team/app')).toEqual(NONE);
    expect(await of('carol', 'public/app')).toEqual(READ);
    expect(await statuses(registry, 'public/app', {})).toEqual(STRANGER);
    const names = async (user: string) =>
      (
        (await (await registry.request('/v2/_catalog', { headers: basic(user) })).json()) as {
          repositories: string[];
        }
      ).repositories;
    expect(await names('alice')).toEqual(['public/app', 'secret', 'team/app']);
    expect(await names('bob')).toEqual(['public/app', 'team/app']);
    expect(await names('carol')).toEqual(['public/app']);
  });

  test('a mount takes nothing from where the caller may not pull', async () => {
    await using registry = await TestRegistry.start({
      htpasswd: file(HTPASSWD),
      authConfig: file(JSON.stringify(rights)),
    });
    const digest = await registry.pushBlob('secret', randomBytes(10), basic('alice'));
    const mount = (query: string) =>
      registry.request(`/v2/team/x/blobs/uploads/?mount=${digest}${query}`, {
        method: 'POST',
        headers: basic('bob'),
      });
    expect((await mount('&from=secret')).status).toBe(202);
    expect((await mount('')).status).toBe(202);
    const read = await registry.request(`/v2/team/x/blobs/${digest}`, { headers: basic('bob') });
    expect(read.status).toBe(404);
    await registry.pushBlob('public/x', new Uint8Array(0), basic('alice'));
    const path = `/v2/public/y/blobs/uploads/?mount=${digest}&from=secret`;
    const other = await registry.request(path, { method: 'POST', headers: basic('alice') });
    expect(other.status).toBe(201);
    expect((await mount('')).status).toBe(201);
  });
});

describe('anonymous pulls beside logins', () => {
  const rights = {
    anonymous: [{ repository: 'public/**', actions: ['pull'] }],
    users: { alice: [{ repository: '**', actions: ['*'] }] },
  };
  let registry: TestRegistry;
  beforeAll(async () => {
    const settings = { htpasswd: file(HTPASSWD), authConfig: file(JSON.stringify(rights)) };
    registry = await TestRegistry.start({ root: await filledRoot(), ...settings });
  });
  afterAll(() => registry[Symbol.asyncDispose]());

  const tokenFor = async (scope: string, headers: Record<string, string> = {}) => {
    const response = await registry.request(`/token?service=tare-registry&scope=${scope}`, { headers });
    expect(response.status).toBe(200);
    const { token } = (await response.json()) as { token: string };
    return { Authorization: `Bearer ${token}` };
  };

  test('/v2/ names the token server, which gives tokens to both', async () => {
    const ping = await registry.request('/v2/');
    expect(ping.status).toBe(401);
    expect(ping.headers.get('www-authenticate')).toBe(
      `Bearer realm="http://${registry.host}/token",service="tare-registry"`,
    );
    const refused = await registry.request('/v2/secret/manifests/v1');
    expect(refused.headers.get('www-authenticate')).toContain('scope="repository:secret:pull"');
    const anonymous = await tokenFor('repository:public/app:pull,push');
    expect(await statuses(registry, 'public/app', anonymous)).toEqual({ ...ALL, push: 401, delete: 401 });
    expect(await statuses(registry, 'secret', anonymous)).toEqual(STRANGER);
    const alice = await tokenFor('repository:secret:pull,push,delete', basic('alice'));
    expect(await statuses(registry, 'secret', alice)).toEqual(ALL);
    expect(await statuses(registry, 'public/app', alice)).toEqual(STRANGER);
    const bob = await tokenFor('repository:secret:pull repository:public/app:pull', basic('bob'));
    expect(await statuses(registry, 'secret', bob)).toEqual(STRANGER);
    expect((await statuses(registry, 'public/app', bob)).pull).toBe(200);
  });

  test('passwords and nothing at all do as well', async () => {
    expect(await statuses(registry, 'secret', basic('alice'))).toEqual(ALL);
    expect(await statuses(registry, 'public/app', {})).toEqual({
      ...STRANGER,
      pull: 200,
      head: 200,
      tags: 200,
    });
    const wrong = await registry.request('/token?scope=repository:secret:pull', {
      headers: basic('alice', 'x'),
    });
    expect(wrong.status).toBe(401);
    const form = new URLSearchParams({
      grant_type: 'password',
      username: 'alice',
      password: 'alice',
      scope: 'repository:secret:pull',
    });
    const posted = await registry.request('/token', { method: 'POST', body: form });
    const { access_token } = (await posted.json()) as { access_token: string };
    const headers = { Authorization: `Bearer ${access_token}` };
    expect((await registry.request('/v2/secret/tags/list', { headers })).status).toBe(200);
  });
});

describe('tokens of a token server', () => {
  const ISSUER = 'https://auth.example';
  const SERVICE = 'registry.example';
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const ec = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const stranger = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();
  let registry: TestRegistry;

  beforeAll(async () => {
    const jwk = { ...ec.publicKey.export({ format: 'jwk' }), kid: 'ec' };
    registry = await TestRegistry.start({
      root: await filledRoot(),
      tokenRealm: 'https://auth.example/token',
      tokenService: SERVICE,
      tokenIssuer: ISSUER,
      tokenKeys: [file(pem(rsa.publicKey)), file(JSON.stringify({ keys: [jwk] }))],
    });
  });
  afterAll(() => registry[Symbol.asyncDispose]());

  const now = () => Math.floor(Date.now() / 1000);
  const access = [{ type: 'repository', name: 'team/app', actions: ['pull', 'push'] }];
  const claims = () => ({ iss: ISSUER, aud: SERVICE, sub: 'carol', exp: now() + 100, nbf: now(), access });
  const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const token = (header: object, body: object, key: KeyObject | string) => {
    const data = `${encode(header)}.${encode(body)}`;
    const signature =
      typeof key === 'string'
        ? new Bun.CryptoHasher('sha256', key).update(data).digest('base64url')
        : sign('sha256', Buffer.from(data), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
    return { Authorization: `Bearer ${data}.${signature}` };
  };
  const RS = { alg: 'RS256', typ: 'JWT' };
  const ES = { alg: 'ES256', typ: 'JWT', kid: 'ec' };

  test('the challenge', async () => {
    const ping = await registry.request('/v2/');
    expect(ping.headers.get('www-authenticate')).toBe(
      `Bearer realm="https://auth.example/token",service="${SERVICE}"`,
    );
    const push = await registry.request('/v2/team/app/blobs/uploads/?mount=x&from=other', { method: 'POST' });
    expect(push.headers.get('www-authenticate')).toContain(
      'scope="repository:team/app:pull,push repository:other:pull"',
    );
    const odd = await registry.request('/v2/team/app/blobs/uploads/?from=%22%0d%0a', { method: 'POST' });
    expect(odd.headers.get('www-authenticate')).toEndWith('scope="repository:team/app:pull,push"');
  });

  test.each([
    ['RS256', RS, rsa.privateKey],
    ['ES256', ES, ec.privateKey],
  ])('%s: what the claims allow and nothing else', async (_, header, key) => {
    const good = token(header, claims(), key);
    expect(await statuses(registry, 'team/app', good)).toEqual({ ...ALL, delete: 401 });
    expect(await statuses(registry, 'secret', good)).toEqual(STRANGER);
    expect((await registry.request('/v2/', { headers: good })).status).toBe(200);
    const catalog = await registry.request('/v2/_catalog', { headers: good });
    expect(await catalog.json()).toEqual({ repositories: ['team/app'] });
    const all = token(
      header,
      { ...claims(), access: [{ type: 'registry', name: 'catalog', actions: ['*'] }] },
      key,
    );
    const whole = await registry.request('/v2/_catalog', { headers: all });
    expect(await whole.json()).toEqual({ repositories: ['public/app', 'secret', 'team/app'] });
  });

  const refused: [string, () => Record<string, string>][] = [
    ['another key', () => token(ES, claims(), stranger.privateKey)],
    ['an unknown key id', () => token({ ...ES, kid: 'other' }, claims(), ec.privateKey)],
    ['no signature', () => token({ alg: 'none' }, claims(), '')],
    // The public key taken for a shared secret.
    ['HS256', () => token({ alg: 'HS256' }, claims(), pem(createPublicKey(pem(rsa.publicKey))))],
    ['an algorithm for another kind of key', () => token(ES, claims(), rsa.privateKey)],
    ['expired', () => token(RS, { ...claims(), exp: now() - 100 }, rsa.privateKey)],
    ['without an end', () => token(RS, { ...claims(), exp: undefined }, rsa.privateKey)],
    ['not yet', () => token(RS, { ...claims(), nbf: now() + 500 }, rsa.privateKey)],
    ['another issuer', () => token(RS, { ...claims(), iss: 'x' }, rsa.privateKey)],
    ['another audience', () => token(RS, { ...claims(), aud: ['x'] }, rsa.privateKey)],
    ['critical extensions', () => token({ ...RS, crit: ['x'] }, claims(), rsa.privateKey)],
    ['no token', () => ({ Authorization: 'Bearer abc' })],
    ['a password', () => basic('alice')],
  ];
  test.each(refused)('refused: %s', async (_, headers) => {
    const response = await registry.request('/v2/team/app/manifests/v1', { headers: headers() });
    expect([response.status, await codeOf(response)]).toEqual([401, 'UNAUTHORIZED']);
    expect(response.headers.get('www-authenticate')).toContain('Bearer realm');
  });
});
