import { afterAll, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removeTree } from './remove-tree.ts';

const root = mkdtempSync(join(tmpdir(), 'tare-remove-'));
afterAll(() => void Bun.spawnSync(['rm', '-rf', root]));

test('a tree whose paths are longer than the kernel takes is removed', async () => {
  const tree = join(root, 'deep');
  mkdirSync(tree);
  const script = 'chdir $ARGV[0]; for (1 .. 1500) { mkdir "level"; chdir "level" or die } open F, ">file"';
  expect(Bun.spawnSync(['perl', '-e', script, tree]).exitCode).toBe(0);
  await removeTree(tree);
  expect(existsSync(tree)).toBe(false);
}, 60_000);

test('small and wide trees go, and what links point at stays', async () => {
  const kept = join(root, 'kept');
  writeFileSync(kept, 'x');
  for (const count of [3, 300]) {
    const tree = join(root, `wide-${count}`);
    mkdirSync(join(tree, 'a/b'), { recursive: true });
    for (let i = 0; i < count; i++) writeFileSync(join(tree, `a/b/${i}`), 'x');
    symlinkSync(root, join(tree, 'a/link'));
    await removeTree(tree);
    expect(existsSync(tree)).toBe(false);
  }
  expect(existsSync(kept)).toBe(true);
  await removeTree(join(root, 'never'));
  rmSync(kept);
});
