import { afterEach, beforeEach, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { cached } from './cache.ts';

let folder: string;
const before = process.env.TARE_TEST_CACHE;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'tare-cache-'));
  process.env.TARE_TEST_CACHE = folder;
});

afterEach(() => {
  if (before === undefined) delete process.env.TARE_TEST_CACHE;
  else process.env.TARE_TEST_CACHE = before;
  rmSync(folder, { recursive: true, force: true });
});

test('a file is made once for each key', async () => {
  let made = 0;
  const make = async (target: string) => writeFileSync(target, `made ${++made}`);
  for (const key of ['a', 'a', 'b', 'b']) await cached('x', key, make);
  expect(readFileSync(await cached('x', 'b', make), 'utf8')).toBe('made 2');
  expect(readdirSync(folder).sort()).toEqual(['x', 'x.key']);
});

test('callers at the same time wait for one making', async () => {
  let made = 0;
  const make = async (target: string) => {
    made++;
    await Bun.sleep(20);
    writeFileSync(target, 'x');
  };
  // The lock is between processes; within one, callers are told apart by waiting on its file.
  await Promise.all([1, 2, 3].map(() => cached('x', 'k', make)));
  expect(made).toBe(1);
});

test('a failed making leaves nothing, and a dead owner does not block', async () => {
  writeFileSync(join(folder, 'x.lock'), '999999999');
  await expect(
    cached('x', 'k', async (target, work) => {
      writeFileSync(target, 'half');
      expect(existsSync(work)).toBe(true);
      throw new Error('no');
    }),
  ).rejects.toThrow('no');
  expect(readdirSync(folder)).toEqual([]);
});
