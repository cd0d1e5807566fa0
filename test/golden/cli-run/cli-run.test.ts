import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseLine } from '../../../src/cli/flags/parse.ts';
import { CONTAINER_FLAGS } from '../../../src/cli/run/flags.ts';
import { type ContainerFlags, containerSettings } from '../../../src/cli/run/settings.ts';
import { flag } from '../../../src/cli/flags/flag.ts';
import { toggle } from '../../../src/cli/flags/kinds.ts';

const read = (name: string) => readFileSync(join(import.meta.dir, name), 'utf8');
const cases = read('cases.txt')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));

/** Splits at spaces but for those in single quotes. */
const words = (line: string) => [...line.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2]!);

/** What of `value` is not in `base`, at any depth: the parts that the flags of a case are about. */
function difference(value: unknown, base: unknown): unknown {
  const isObject = (one: unknown): one is Record<string, unknown> =>
    typeof one === 'object' && one !== null && !Array.isArray(one);
  if (!isObject(value) || !isObject(base)) return value;
  const entries = Object.entries(value)
    .filter(([key, field]) => JSON.stringify(field) !== JSON.stringify(base[key]))
    .map(([key, field]) => [key, key in base ? difference(field, base[key]) : field]);
  return Object.fromEntries(entries);
}

/** The case that is written out whole; the others show what differs from it. */
const PLAIN = 'busybox';
const plainSettings = () => {
  const { values } = parseLine(CONTAINER_FLAGS, [PLAIN], false);
  return containerSettings(values as ContainerFlags, PLAIN, []);
};

function body(line: string): string {
  try {
    const flags = { ...CONTAINER_FLAGS, detach: flag(toggle, { short: 'd', help: '' }) };
    const parsed = parseLine(flags, words(line), false);
    const [image = '', ...rest] = parsed.args;
    const settings = containerSettings(parsed.values as ContainerFlags, image, rest);
    return JSON.stringify(line === PLAIN ? settings : difference(settings, plainSettings()), null, 1);
  } catch (error) {
    return `ERROR ${(error as Error).message}`;
  }
}

const actual = cases.map((line) => `## ${line}\n${body(line)}\n`);
// UPDATE_GOLDEN=1 writes what it makes now; look at the difference before you commit it.
if (process.env.UPDATE_GOLDEN) writeFileSync(join(import.meta.dir, 'expected.txt'), actual.join('\n'));
const expected = read('expected.txt');

test.each(cases.map((line, index) => [line, index] as const))('run %s', (_, index) => {
  expect(expected).toContain(actual[index]!);
});

test('nothing more is expected', () => {
  expect(actual.join('\n')).toBe(expected);
});
