import { afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isMountPoint, mount, unmount } from './mount.ts';
import { attachCopy, detachCopy } from './mount-tree.ts';
import { oneIdMoved } from './user-namespace.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tare-tree-'));
  for (const name of ['base', 'copy']) mkdirSync(join(root, name));
  mount('tmpfs', 'base', join(root, 'base'), []);
  Bun.spawnSync(['mount', '--make-shared', join(root, 'base')]);
  mkdirSync(join(root, 'base', 'sub'));
  mount('tmpfs', 'sub', join(root, 'base', 'sub'), []);
});

afterEach(() => {
  for (const name of ['copy', 'base']) Bun.spawnSync(['umount', '-R', join(root, name)]);
  rmSync(root, { recursive: true, force: true });
});

test.each([true, false])(
  'a copy of shared mounts goes without taking the originals (isolated: %p)',
  (isolated) => {
    const copy = join(root, 'copy');
    attachCopy(join(root, 'base'), copy, { recursive: true, readOnly: true, isolated });
    expect(isMountPoint(join(copy, 'sub'))).toBe(true);
    expect(() => writeFileSync(join(copy, 'sub', 'x'), '')).toThrow('EROFS');
    writeFileSync(join(root, 'base', 'sub', 'x'), '');
    detachCopy(copy);
    expect(isMountPoint(copy)).toBe(false);
    expect(isMountPoint(join(root, 'base', 'sub'))).toBe(true);
  },
);

test('what is mounted below can stay away', () => {
  const copy = join(root, 'copy');
  attachCopy(join(root, 'base'), copy, { recursive: false, readOnly: false, isolated: true });
  expect(isMountPoint(join(copy, 'sub'))).toBe(false);
  writeFileSync(join(copy, 'x'), '');
  detachCopy(copy);
  detachCopy(copy);
  unmount(copy);
});

test('one id moved: the others stay, the two places are left open', () => {
  const last = 2 ** 32 - 1;
  const same = (start: number, end: number) => ({ inside: start, outside: start, count: end - start });
  expect(oneIdMoved(1000, 0)).toEqual([
    { inside: 1000, outside: 0, count: 1 },
    same(1, 1000),
    same(1001, last),
  ]);
  expect(oneIdMoved(5, 5)).toEqual([{ inside: 5, outside: 5, count: 1 }, same(0, 5), same(6, last)]);
});
