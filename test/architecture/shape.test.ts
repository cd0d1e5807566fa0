import { describe, expect, test } from 'bun:test';
import { basename } from 'node:path';
import { readSources } from './imports.ts';
import { roomOf } from './rules.ts';

/** Files longer than this want a reason below. */
const LONG = 400;
/** Tests and fixtures are read by case, not from top to bottom. */
const LONG_TEST = 700;

/** The files that are longer, and why splitting them would make them harder to read. */
const LONG_FILES: Readonly<Record<string, string>> = {};

const all = readSources('src', 'test', 'bench', 'scripts');
const lines = (text: string) => text.split('\n').length - 1;

describe('shape of the files', () => {
  test('each file of the program lies in a room of the table', () => {
    const stray = all.filter((file) => file.path.startsWith('src/') && roomOf(file.path) === undefined);
    expect(stray.map((file) => file.path)).toEqual([]);
  });

  test('no default exports', () => {
    const found = all.filter((file) =>
      /^export\s+default\b|^export\s*\{[^}]*\bas\s+default\b/m.test(file.text),
    );
    expect(found.map((file) => file.path)).toEqual([]);
  });

  test('no barrels: a file does more than re-export others', () => {
    const found = all.filter((file) => {
      const body = file.text.replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, '');
      const rest = body.replace(/^(import|export)\s[^;]*?from\s+['"][^'"]+['"];?/gm, '').trim();
      return rest === '' && /^export\s/m.test(body);
    });
    expect(found.map((file) => file.path)).toEqual([]);
    expect(all.filter((file) => basename(file.path) === 'index.ts').map((file) => file.path)).toEqual([]);
  });

  test('no file or folder is called utils, helpers, common or misc', () => {
    const vague = /(^|\/)(utils?|helpers?|common|misc)(\.test)?(\.ts$|\/)/;
    expect(all.filter((file) => vague.test(file.path)).map((file) => file.path)).toEqual([]);
  });

  test(`a file of more than ${LONG} lines has a reason`, () => {
    const limit = (path: string) => (path.endsWith('.test.ts') ? LONG_TEST : LONG);
    const long = all.filter((file) => lines(file.text) > limit(file.path));
    const unexplained = long.filter((file) => !LONG_FILES[file.path]);
    expect(unexplained.map((file) => `${file.path}: ${lines(file.text)} lines`)).toEqual([]);
    const stale = Object.keys(LONG_FILES).filter((path) => !long.some((file) => file.path === path));
    expect(stale).toEqual([]);
  });

  test('the lengths, for the reader', () => {
    const program = all.filter((file) => file.path.startsWith('src/') && !file.path.endsWith('.test.ts'));
    const sizes = program.map((file) => lines(file.text)).sort((a, b) => a - b);
    const at = (part: number) => sizes[Math.floor((sizes.length - 1) * part)];
    console.log(`${sizes.length} files, median ${at(0.5)} lines, 90 % below ${at(0.9)}, longest ${at(1)}`);
    const longest = program.toSorted((a, b) => lines(b.text) - lines(a.text)).slice(0, 5);
    for (const file of longest) console.log(`  ${String(lines(file.text)).padStart(5)}  ${file.path}`);
    expect(sizes.length).toBeGreaterThan(20);
  });
});
