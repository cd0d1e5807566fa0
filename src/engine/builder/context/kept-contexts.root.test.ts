import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { createHash } from 'node:crypto';
import { lstatSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ContextEntry } from '../../../archive/context-entry.ts';
import { dataHeader, endFrame } from '../../../archive/context-frames.ts';
import { silentLogger } from '../../../base/log.ts';
import { FileType } from '../../../kernel/files.ts';
import { KeptContextStore } from './kept-context-store.ts';
import type { ContextSync } from './kept-contexts.ts';

let place: string;
let root: string;
let store: KeptContextStore;
beforeAll(() => {
  place = mkdtempSync(join(tmpdir(), 'tare-kept-'));
});
afterAll(() => rmSync(place, { recursive: true, force: true }));
beforeEach(async () => {
  root = mkdtempSync(join(place, 'root-'));
  store = await opened();
});

async function opened(limit?: number): Promise<KeptContextStore> {
  const made = new KeptContextStore({ root, log: silentLogger, ...(limit === undefined ? {} : { limit }) });
  await made.sweep();
  return made;
}

const OLD = 1_600_000_000;
const entry = (path: string, more: Partial<ContextEntry> = {}): ContextEntry => ({
  path,
  mode: FileType.FILE | 0o644,
  uid: 0,
  gid: 0,
  size: 0,
  seconds: OLD,
  nanoseconds: 5,
  mark: '',
  link: '',
  major: 0,
  minor: 0,
  ...more,
});
const file = (path: string, text: string, more: Partial<ContextEntry> = {}): ContextEntry =>
  entry(path, { size: text.length, ...more });
const directory = (path: string): ContextEntry => entry(path, { mode: FileType.DIRECTORY | 0o755 });
const sha = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Sends what is wanted from `texts`. Returns what was wanted. */
async function sync(
  entries: readonly ContextEntry[],
  texts: Readonly<Record<string, string>>,
  key = 'k',
): Promise<{
  wanted: string[];
  lease: ContextSync;
  path: string;
  digestOf: (path: string) => string | undefined;
}> {
  const lease = await store.begin(key);
  await lease.announce(entries);
  const wanted: string[] = [];
  for (const { index } of await lease.wanted()) {
    const { path } = entries[index]!;
    wanted.push(path);
    await lease.write(index, Buffer.from(texts[path]!));
    await lease.end(index, 'complete');
  }
  return { wanted, lease, ...(await lease.finish()) };
}

/** `expect(…).rejects` would let no Worker speak. */
const failure = (promise: Promise<unknown>): Promise<string> =>
  promise.then(
    () => 'none',
    (error: Error) => error.message,
  );

describe('a kept context', () => {
  test('is what was announced, with digests, and of the next sync only what changed is wanted', async () => {
    const first = [
      directory('d'),
      file('d/a', 'aaa'),
      file('d/b', 'bbb', { mode: FileType.FILE | 0o4755, uid: 7, gid: 8 }),
      entry('d/l', { mode: FileType.LINK | 0o777, link: '/etc/passwd' }),
      entry('f', { mode: FileType.FIFO | 0o622 }),
      entry('empty'),
    ];
    const one = await sync(first, { 'd/a': 'aaa', 'd/b': 'bbb' });
    expect(one.wanted).toEqual(['d/a', 'd/b']);
    expect(one.digestOf('d/a')).toBe(sha('aaa'));
    expect(one.digestOf('empty')).toBe(sha(''));
    expect(one.digestOf('d/l')).toBeUndefined();
    expect(readdirSync(one.path).sort()).toEqual(['d', 'empty', 'f']);
    const b = lstatSync(join(one.path, 'd/b'));
    expect([b.mode & 0o7777, b.uid, b.gid, b.mtimeMs]).toEqual([0o4755, 7, 8, OLD * 1000]);
    expect(lstatSync(join(one.path, 'f')).mode).toBe(FileType.FIFO | 0o622);
    expect(readlinkSync(join(one.path, 'd/l'))).toBe('/etc/passwd');
    expect(lstatSync(join(one.path, 'd')).mtimeMs).toBe(OLD * 1000);
    await one.lease.release();

    const second = [
      directory('d'),
      file('d/a', 'aaa'),
      file('d/b', 'BBBB'),
      file('d/l', 'no link', {}),
      entry('new', { mode: FileType.LINK | 0o777, link: 'd' }),
    ];
    const two = await sync(second, { 'd/b': 'BBBB', 'd/l': 'no link' });
    expect(two.wanted).toEqual(['d/b', 'd/l']);
    expect(two.path).toBe(one.path);
    expect(readdirSync(two.path).sort()).toEqual(['d', 'new']);
    expect(readFileSync(join(two.path, 'd/b'), 'utf8')).toBe('BBBB');
    expect(lstatSync(join(two.path, 'd/b')).uid).toBe(0);
    expect(readFileSync(join(two.path, 'd/l'), 'utf8')).toBe('no link');
    expect(two.digestOf('d/a')).toBe(sha('aaa'));
    await two.lease.release();
    // Another daemon knows it too.
    store = await opened();
    expect((await sync(second, {})).wanted).toEqual([]);
  });

  test('a touched file of the old size is not sent when its digest is the old one', async () => {
    const one = await sync([file('a', 'aaa')], { a: 'aaa' });
    await one.lease.release();
    const lease = await store.begin('k');
    await lease.announce([file('a', 'aaa', { seconds: OLD + 1, mode: FileType.FILE | 0o600 })]);
    expect(await lease.wanted()).toEqual([{ index: 0, digest: sha('aaa') }]);
    await lease.end(0, 'same');
    const { path, digestOf } = await lease.finish();
    expect(digestOf('a')).toBe(sha('aaa'));
    expect(lstatSync(join(path, 'a')).mtimeMs).toBe((OLD + 1) * 1000);
    expect(lstatSync(join(path, 'a')).mode & 0o777).toBe(0o600);
    await lease.release();
  });

  test('what changed a moment ago, or while it was read, is asked for again', async () => {
    const now = Math.floor(Date.now() / 1000) + 3600;
    const fresh = [file('fresh', 'x', { seconds: now }), file('torn', 'yyy'), file('sure', 'z')];
    const lease = await store.begin('k');
    await lease.announce(fresh);
    await lease.wanted();
    const frames = new Blob([
      ...[dataHeader(0, 1), 'x', endFrame(0, 'complete')],
      ...[dataHeader(1, 1), 'y', dataHeader(2, 1), 'z', endFrame(2, 'complete'), endFrame(1, 'changed')],
    ]);
    await lease.receive(frames.stream());
    await lease.finish();
    await lease.release();
    const again = await store.begin('k');
    await again.announce(fresh);
    expect(await again.wanted()).toEqual([
      { index: 0, digest: sha('x') },
      { index: 1, digest: '' },
    ]);
    await again.release();
  });

  test('two at once have a directory each', async () => {
    const [one, two] = [await sync([file('a', '1')], { a: '1' }), await sync([file('a', '2')], { a: '2' })];
    expect(one.path).not.toBe(two.path);
    expect(readFileSync(join(one.path, 'a'), 'utf8')).toBe('1');
    expect(await store.remove(store.list()[0]!.id)).toBe(0);
    await one.lease.release();
    await two.lease.release();
    const three = await sync([file('a', '1')], {});
    expect([three.path, three.wanted]).toEqual([one.path, []]);
    await three.lease.release();
  });

  test('a sync that is given up keeps whole files; without its index a directory is thrown away', async () => {
    const lease = await store.begin('k');
    await lease.announce([file('whole', 'abc'), file('half', 'abcdef'), file('never', 'x')]);
    await lease.wanted();
    await lease.write(0, Buffer.from('abc'));
    await lease.end(0, 'complete');
    await lease.write(1, Buffer.from('abc'));
    await lease.release();
    const again = await store.begin('k');
    await again.announce([file('whole', 'abc'), file('half', 'abcdef')]);
    expect((await again.wanted()).map(({ index }) => index)).toEqual([1]);
    // As after kill -9 of the daemon: the lease is never released.
    store = await opened();
    expect(readdirSync(root)).toEqual([]);
    expect(store.list()).toEqual([]);
  });

  test('a missing file, a path that leads out and a file nobody asked for are refused', async () => {
    for (const path of ['/a', '../a', 'a/../b', 'a//b', '', '.', 'no/parent', 'a/', 'x\0y']) {
      const lease = await store.begin('bad');
      await lease.announce([file(path, 'x')]);
      expect(await failure(lease.wanted())).toContain('invalid path in the context');
      await lease.release();
    }
    const lease = await store.begin('bad');
    const link = entry('l', { mode: FileType.LINK | 0o777, link: '/' });
    await lease.announce([link, file('f', 'x')]);
    await lease.wanted();
    expect(await failure(lease.finish())).toContain('1 files of the context did not come, such as "f"');
    await lease.release();
    const through = await store.begin('bad');
    await through.announce([link, file('l/etc', 'x')]);
    expect(await failure(through.wanted())).toContain('invalid path');
    await through.release();
    const stray = await store.begin('bad');
    await stray.announce([link]);
    await stray.wanted();
    await stray.write(0, Buffer.from('x'));
    expect(await failure(stray.finish())).toContain('no file 0 of the context was asked for');
    await stray.release();
  });

  test('the oldest go when all together are too large', async () => {
    store = await opened(10);
    for (const key of ['one', 'two']) {
      const { lease } = await sync([file('a', 'sixsix')], { a: 'sixsix' }, key);
      await lease.release();
    }
    for (let i = 0; i < 100 && store.list().length > 1; i++) await Bun.sleep(20);
    expect(store.list().map(({ key }) => key)).toEqual(['two']);
  });
});
