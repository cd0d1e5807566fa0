import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { isKind } from '../base/errors.ts';
import { LocalContentStore } from './local-store.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const sha = (text: string, algorithm = 'sha256'): string =>
  `${algorithm}:${createHash(algorithm).update(text).digest('hex')}`;

describe('LocalContentStore', () => {
  let root = '';
  let store: LocalContentStore;
  beforeEach(() => {
    root = mkdtempSync('/tmp/tare-content-');
    chmodSync(root, 0o755);
    store = new LocalContentStore(root);
  });
  afterEach(() => {
    rmSync(root, { recursive: true, force: true });
  });
  const ingests = (): string[] => readdirSync(`${root}/ingest`);
  const failure = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => undefined,
      (error: unknown) => error,
    );

  test('no other user comes in', () => {
    expect(statSync(root).mode & 0o777).toBe(0o700);
  });

  test('put, read, stream, list and remove', async () => {
    const descriptor = await store.put('text/plain', bytes('hello'));
    expect(descriptor).toEqual({ mediaType: 'text/plain', digest: sha('hello'), size: 5 });
    expect(await store.put('text/plain', bytes('hello'))).toEqual(descriptor);
    expect(store.size(descriptor.digest)).toBe(5);
    expect(Buffer.from(await store.read(descriptor.digest)).toString()).toBe('hello');
    expect(await new Response(store.stream(descriptor.digest)).text()).toBe('hello');
    expect(existsSync(store.path(descriptor.digest))).toBe(true);
    const all: unknown[] = [];
    for await (const blob of store.list()) all.push(blob);
    expect(all).toEqual([{ digest: sha('hello'), size: 5 }]);
    expect(ingests()).toEqual([]);
    await store.remove(descriptor.digest);
    await store.remove(descriptor.digest);
    expect(store.size(descriptor.digest)).toBeUndefined();
    expect(isKind(await failure(store.read(descriptor.digest)), 'not-found')).toBe(true);
    expect(() => store.path(descriptor.digest)).toThrow('no such blob');
  });

  test('read refuses what is larger than the limit', async () => {
    const { digest } = await store.put('x', bytes('123456'));
    expect(isKind(await failure(store.read(digest, 5)), 'invalid')).toBe(true);
  });

  test('an ingest is seen only after its commit', async () => {
    const ingest = await store.ingest('a');
    await ingest.write(bytes('one'));
    expect(store.size(sha('onetwo'))).toBeUndefined();
    await ingest.write(bytes('two'));
    expect(ingest.offset).toBe(6);
    expect(await ingest.commit({ digest: sha('onetwo'), size: 6 })).toMatchObject({
      digest: sha('onetwo'),
      size: 6,
    });
    expect(store.size(sha('onetwo'))).toBe(6);
    expect(ingests()).toEqual([]);
  });

  test('sha512, by the key and without', async () => {
    for (const key of ['pull:sha512:x', 'other']) {
      const ingest = await store.ingest(key);
      await ingest.write(bytes(key));
      await ingest.commit({ digest: sha(key, 'sha512') });
      expect(store.size(sha(key, 'sha512'))).toBe(key.length);
    }
  });

  test('a wrong digest or size is corrupt and the ingest is gone', async () => {
    for (const expected of [{ digest: sha('else') }, { size: 99 }]) {
      const ingest = await store.ingest('wrong');
      await ingest.write(bytes('bytes'));
      expect(isKind(await failure(ingest.commit(expected)), 'corrupt')).toBe(true);
      expect(ingests()).toEqual([]);
    }
    expect(store.size(sha('bytes'))).toBeUndefined();
  });

  test('what was written is resumed, also by another instance', async () => {
    const first = await store.ingest('pull:x');
    await first.write(bytes('begin '));
    await first.close();
    const again = new LocalContentStore(root);
    const second = await again.ingest('pull:x');
    expect(second.offset).toBe(6);
    await second.write(bytes('end'));
    await second.commit({ digest: sha('begin end') });
    expect(Buffer.from(await again.read(sha('begin end'))).toString()).toBe('begin end');
  });

  test('two writers of one key exclude each other', async () => {
    const first = await store.ingest('k');
    expect(isKind(await failure(store.ingest('k')), 'conflict')).toBe(true);
    await first.abort();
    await (await store.ingest('k')).abort();
    expect(ingests()).toEqual([]);
  });

  test('sweep keeps what is open and fresh downloads', async () => {
    const open = await store.ingest('open');
    await (await store.ingest('left')).close();
    await (await store.ingest('pull:fresh')).close();
    const old = await store.ingest('pull:old');
    await old.close();
    const hash = createHash('sha256').update('pull:old').digest('hex');
    utimesSync(`${root}/ingest/${hash}/data`, 1, 1);
    await store.sweep();
    expect(ingests()).toHaveLength(2);
    await open.abort();
  });

  test('digests that are none are refused, never used as paths', async () => {
    for (const bad of ['sha256:../../etc/passwd', 'md5:abc', 'sha256:ABC', '']) {
      expect(() => store.size(bad)).toThrow();
    }
  });
});
