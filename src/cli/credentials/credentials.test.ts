import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installCredentialHelper } from '../../../test/support/credential-program.ts';
import { HUB_KEY, hostOfServer, serverKey, serverOfRepository } from './servers.ts';
import { CredentialStore } from './store.ts';

const USER = { username: 'me', password: 'p:w' };
const ENCODED = Buffer.from('me:p:w').toString('base64');

let folder: string;
let store: CredentialStore;
const path = () => join(folder, 'config.json');
const read = () => JSON.parse(readFileSync(path(), 'utf8'));
const write = (config: unknown) =>
  writeFileSync(path(), typeof config === 'string' ? config : JSON.stringify(config));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tare-credentials-'));
  store = new CredentialStore({ configDir: folder, path: join(folder, 'bin') });
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ['busybox', HUB_KEY],
  ['me/app', HUB_KEY],
  ['docker.io/me/app', HUB_KEY],
  ['quay.io/me/app', 'quay.io'],
  ['host:5000/app', 'host:5000'],
  ['localhost/app', 'localhost'],
])('the server of %s is %s', (repository, server) => {
  expect(serverOfRepository(repository)).toBe(server);
});

test('servers as they are given', () => {
  expect(serverKey('')).toBe(HUB_KEY);
  expect(serverKey('docker.io')).toBe(HUB_KEY);
  expect(serverKey('quay.io')).toBe('quay.io');
  expect(hostOfServer('https://host:5000/v2/')).toBe('host:5000');
});

describe('in the file', () => {
  test('a password, in docker’s format and for its owner only', async () => {
    const configDir = join(folder, 'new');
    const fresh = new CredentialStore({ configDir, path: '' });
    expect(await fresh.store('r:5000', USER)).toBe(true);
    const text = readFileSync(join(configDir, 'config.json'), 'utf8');
    expect(text).toBe(`{\n\t"auths": {\n\t\t"r:5000": {\n\t\t\t"auth": "${ENCODED}"\n\t\t}\n\t}\n}`);
    expect(statSync(join(configDir, 'config.json')).mode & 0o777).toBe(0o600);
    expect(await fresh.get('r:5000')).toEqual({ ...USER, serveraddress: 'r:5000' });
    expect(await fresh.get('r:5001')).toEqual({ serveraddress: 'r:5001' });
  });

  test('an identity token takes the password’s place', async () => {
    expect(await store.store('r', { ...USER, identitytoken: 'token' })).toBe(false);
    expect(JSON.stringify(read())).not.toContain(ENCODED);
    expect(await store.get('r')).toEqual({
      username: 'me',
      password: '',
      identitytoken: 'token',
      serveraddress: 'r',
    });
  });

  test('everything else stays, also behind a link', async () => {
    const real = join(folder, 'real.json');
    writeFileSync(real, JSON.stringify({ psFormat: '{{.ID}}', auths: { b: { auth: 'eDp5' } }, other: [1] }));
    chmodSync(real, 0o640);
    symlinkSync(real, path());
    await store.store('a', USER);
    await store.erase('b');
    await store.erase('never');
    expect(JSON.parse(readFileSync(real, 'utf8'))).toEqual({
      psFormat: '{{.ID}}',
      auths: { a: { auth: ENCODED } },
      other: [1],
    });
    expect(statSync(real).mode & 0o777).toBe(0o640);
  });

  test('older programs kept URLs', async () => {
    write({ auths: { 'https://r:5000/v1/': { auth: ENCODED } } });
    expect(await store.get('r:5000')).toMatchObject(USER);
  });

  test('a file that is not understood is not overwritten', async () => {
    write('{ "auths": ');
    await expect(store.store('a', USER)).rejects.toThrow('Repair it, or move it away');
    expect(readFileSync(path(), 'utf8')).toBe('{ "auths": ');
    write({ auths: { r: { auth: 'bm9jb2xvbg==' } } });
    await expect(store.get('r')).rejects.toThrow('is not user:password');
  });
});

describe('in a helper', () => {
  let kept: () => Record<string, { Username: string; Secret: string }>;
  beforeEach(() => {
    mkdirSync(join(folder, 'bin'));
    kept = installCredentialHelper(join(folder, 'bin'), 'fake');
  });

  test('for all registries: stored, read, listed and erased by docker’s protocol', async () => {
    write({ credsStore: 'fake' });
    expect(await store.store('r:5000', USER)).toBe(false);
    expect(await store.store(HUB_KEY, { username: 'me', identitytoken: 'token' })).toBe(false);
    expect(kept()).toEqual({
      'r:5000': { Username: 'me', Secret: 'p:w' },
      [HUB_KEY]: { Username: '<token>', Secret: 'token' },
    });
    expect(read()).toEqual({ credsStore: 'fake', auths: { 'r:5000': {}, [HUB_KEY]: {} } });
    expect(await store.get('r:5000')).toEqual({ ...USER, serveraddress: 'r:5000' });
    expect(await store.get(HUB_KEY)).toEqual({ identitytoken: 'token', serveraddress: HUB_KEY });
    expect(await store.get('unknown')).toEqual({ serveraddress: 'unknown' });
    expect(Object.keys(await store.all()).sort()).toEqual([HUB_KEY, 'r:5000']);
    await store.erase('r:5000');
    expect(Object.keys(kept())).toEqual([HUB_KEY]);
    expect(read().auths).toEqual({ [HUB_KEY]: {} });
  });

  test('for one registry only', async () => {
    write({ credHelpers: { 'r:5000': 'fake' } });
    expect(await store.store('r:5000', USER)).toBe(false);
    expect(await store.store('other', USER)).toBe(true);
    expect(Object.keys(kept())).toEqual(['r:5000']);
    expect(read().auths).toEqual({ 'r:5000': {}, other: { auth: ENCODED } });
  });

  test('that fails or is missing is told in docker’s words', async () => {
    write({ credsStore: 'none' });
    await expect(store.get('r')).rejects.toThrow(
      'error getting credentials - err: exec: "docker-credential-none": executable file not found in $PATH, out: ``',
    );
    write({ credsStore: 'fake' });
    await expect(store.store('broken', USER)).rejects.toThrow(
      'error saving credentials: error storing credentials - err: exit status 1, out: `the keychain is locked`',
    );
    expect(read()).toEqual({ credsStore: 'fake' });
  });

  test('of the desktop is taken for the first login, and not when there are entries', async () => {
    installCredentialHelper(join(folder, 'bin'), 'secretservice');
    expect(await store.store('r', USER)).toBe(false);
    expect(read()).toEqual({ credsStore: 'secretservice', auths: { r: {} } });
    write({ auths: { old: { auth: ENCODED } } });
    expect(await store.store('r', USER)).toBe(true);
  });
});
