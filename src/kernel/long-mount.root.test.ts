import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { cstr, libc } from './ffi.ts';
import { mountOneByOne, withShortLowers } from './long-mount.ts';
import { mount, unmount } from './mount.ts';

const COUNT = 127;
let root = '';
let options: string[] = [];

beforeEach(() => {
  root = mkdtempSync('/var/tmp/tare-long-');
  const base = `${root}/${'a-data-root-with-a-long-name/'.repeat(4)}`;
  const lowers = Array.from({ length: COUNT }, (_, i) => `${base}${i}`);
  for (const [i, lower] of lowers.entries()) {
    mkdirSync(lower, { recursive: true });
    writeFileSync(`${lower}/of-${i}`, 'x');
    writeFileSync(`${lower}/which`, `${i}`);
  }
  for (const name of ['u', 'w', 'm']) mkdirSync(`${root}/${name}`);
  options = [`lowerdir=${lowers.join(':')}`, `upperdir=${root}/u`, `workdir=${root}/w`];
});

afterEach(() => {
  unmount(`${root}/m`);
  rmSync(root, { recursive: true, force: true });
});

function expectMounted(): void {
  expect(readdirSync(`${root}/m`)).toHaveLength(COUNT + 1);
  expect(readFileSync(`${root}/m/which`, 'utf8')).toBe('0');
  writeFileSync(`${root}/m/new`, 'x');
  expect(existsSync(`${root}/u/new`)).toBe(true);
}

const openFiles = (): number => readdirSync('/proc/self/fd').length;

describe('127 lower directories whose names do not fit into a page', () => {
  test('are mounted', () => {
    mount('overlay', 'overlay', `${root}/m`, options);
    expectMounted();
  });

  test('by their descriptors, as kernels before 6.5 need it', () => {
    const before = openFiles();
    withShortLowers(options, (short) => {
      expect(Buffer.byteLength(short)).toBeLessThan(4096);
      expect(libc.mount(cstr('overlay'), cstr(`${root}/m`), cstr('overlay'), 0n, cstr(short))).toBe(0);
    });
    expectMounted();
    expect(openFiles()).toBe(before);
  });

  test('a kernel that does not know the option is told from one that refuses', () => {
    const before = openFiles();
    // A file system that has no `lowerdir+` answers as an overlay before 6.5 does.
    expect(mountOneByOne('tmpfs', 'tmpfs', `${root}/m`, 0, options.slice(0, 1))).toBe(false);
    expect(() => mountOneByOne('overlay', 'overlay', `${root}/m`, 0, ['lowerdir=/never:/there'])).toThrow();
    expect(openFiles()).toBe(before);
  });

  test('a missing one is named, and nothing stays open', () => {
    const before = openFiles();
    expect(() => withShortLowers([`lowerdir=${root}/u:${root}/never`], () => {})).toThrow(`${root}/never`);
    expect(openFiles()).toBe(before);
  });
});
