import { afterEach, beforeEach, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CacheMount } from '../dockerfile/run-mount.ts';
import { CacheMounts } from './cache-mounts.ts';

let root: string;
let caches: CacheMounts;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tare-caches-'));
  caches = new CacheMounts(root);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const mount = (id: string, sharing: CacheMount['sharing'] = 'shared'): CacheMount => ({
  type: 'cache',
  target: '/c',
  id,
  from: '',
  source: '/',
  readOnly: false,
  sharing,
  mode: 0o750,
  uid: process.getuid?.() ?? 0,
  gid: process.getgid?.() ?? 0,
});
const empty = async (): Promise<void> => {};

test('an id’s directory is filled once, with its mode, and found again', async () => {
  const fill = async (path: string): Promise<void> => writeFileSync(join(path, 'f'), '');
  const first = await caches.take(mount('a'), fill);
  expect(statSync(first.path).mode & 0o777).toBe(0o750);
  rmSync(join(first.path, 'f'));
  const second = await caches.take(mount('a'), fill);
  expect(second.path).toBe(first.path);
  expect(readdirSync(second.path)).toEqual([]);
  expect((await caches.take(mount('b'), empty)).path).not.toBe(first.path);
});

test('one that could not be filled is not there', async () => {
  const failing = caches.take(mount('a'), async () => {
    throw new Error('no');
  });
  await expect(failing).rejects.toThrow('no');
  expect(await caches.list()).toEqual([]);
  expect(existsSync((await caches.take(mount('a'), empty)).path)).toBe(true);
});

test('private ones are each user’s own', async () => {
  const one = await caches.take(mount('a', 'private'), empty);
  const two = await caches.take(mount('a', 'private'), empty);
  expect(two.path).not.toBe(one.path);
  one.release();
  expect((await caches.take(mount('a', 'private'), empty)).path).toBe(one.path);
});

test('a locked one waits for the other; who is stopped while waiting leaves the queue', async () => {
  const one = await caches.take(mount('a', 'locked'), empty);
  const stop = new AbortController();
  const stopped = caches.take(mount('a', 'locked'), empty, stop.signal);
  let taken = false;
  const third = caches.take(mount('a', 'locked'), empty).then((cache) => {
    taken = true;
    return cache;
  });
  stop.abort();
  await expect(stopped).rejects.toMatchObject({ kind: 'cancelled' });
  await Bun.sleep(5);
  expect(taken).toBe(false);
  one.release();
  (await third).release();
});

test('what is in use is not removed', async () => {
  const taken = await caches.take(mount('a'), empty);
  const [record] = await caches.list();
  expect(record).toMatchObject({ id: 'a', inUse: true });
  expect(await caches.remove(record!.name)).toBe(false);
  taken.release();
  expect(await caches.remove(record!.name)).toBe(true);
  expect(await caches.list()).toEqual([]);
});
