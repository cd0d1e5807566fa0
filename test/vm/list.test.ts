import { expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseList } from './list.ts';

const text = readFileSync(join(import.meta.dir, 'list.txt'), 'utf8');

test('each file of the list is there', () => {
  const root = resolve(import.meta.dir, '../..');
  const files = parseList(text, undefined).flatMap((entry) => (entry.kind === 'tests' ? [entry.file] : []));
  expect(files.filter((file) => !existsSync(join(root, file)))).toEqual([]);
  expect(files.length).toBeGreaterThan(2);
});

test('comments, patterns, reboot', () => {
  expect(parseList('# a comment\n\n a/b.ts  one|two three \nreboot\nc.ts\n', undefined)).toEqual([
    { kind: 'tests', file: 'a/b.ts', pattern: 'one|two three' },
    { kind: 'reboot' },
    { kind: 'tests', file: 'c.ts', pattern: undefined },
  ]);
});

test('a filter leaves the installation in, and no reboot at the end', () => {
  const files = (filter: string) =>
    parseList('x/install.vm.ts\na.ts\nreboot\nb.ts', filter).map((entry) =>
      entry.kind === 'tests' ? entry.file : entry.kind,
    );
  expect(files('a.ts')).toEqual(['x/install.vm.ts', 'a.ts']);
  expect(files('b.ts')).toEqual(['x/install.vm.ts', 'reboot', 'b.ts']);
});
