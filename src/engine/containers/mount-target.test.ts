import { afterEach, beforeEach, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeLinkedTarget } from './mount-target.ts';

let base: string;
let root: string;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'tare-target-'));
  root = join(base, 'root');
  mkdirSync(root);
});
afterEach(() => rmSync(base, { recursive: true, force: true }));

test('a link that leads to nothing gets its target inside the root', () => {
  symlinkSync('/run', join(root, 'var'));
  makeLinkedTarget(root, '/var/x.sock', false);
  expect(statSync(join(root, 'run', 'x.sock')).isFile()).toBe(true);
  makeLinkedTarget(root, '/var/deep/er', true);
  expect(statSync(join(root, 'run', 'deep', 'er')).isDirectory()).toBe(true);
});

test.each(['../../../../../../tmp', '/../../../../..', '..'])('a link to %s stays inside', (to) => {
  symlinkSync(to, join(root, 'out'));
  symlinkSync('out/more', join(root, 'chain'));
  makeLinkedTarget(root, '/out/evil', true);
  makeLinkedTarget(root, '/chain/evil', false);
  expect(readdirSync(base)).toEqual(['root']);
  expect(existsSync('/tmp/evil')).toBe(false);
});

test('what has no link on the way is left alone; a ring of links is refused', () => {
  makeLinkedTarget(root, '/a/b', true);
  expect(readdirSync(root)).toEqual([]);
  symlinkSync('two', join(root, 'one'));
  symlinkSync('one', join(root, 'two'));
  expect(() => makeLinkedTarget(root, '/one/x', true)).toThrow('too many levels of symbolic links');
});
