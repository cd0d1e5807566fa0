import { expect, test } from 'bun:test';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { omittedField, typedField } from '../../../src/cli/format/go-nils.ts';
import { evaluate } from '../../../src/base/template/evaluate.ts';
import { FUNCTIONS } from '../../../src/base/template/functions.ts';
import { parseTemplate } from '../../../src/base/template/parser.ts';

const read = (name: string) => readFileSync(join(import.meta.dir, name), 'utf8');
const names = new Set([...Object.keys(FUNCTIONS), 'and', 'or']);
const data: unknown = JSON.parse(read('data.json'));
const cases = read('cases.txt')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));

function print(template: string): string {
  const options = { functions: FUNCTIONS, missingField: omittedField, readField: typedField };
  try {
    return JSON.stringify(evaluate(parseTemplate(template, names), data, options));
  } catch (error) {
    return `ERROR ${(error as Error).message}`;
  }
}

const actual = cases.map((template) => `${template}\n    ${print(template)}\n`);
// UPDATE_GOLDEN=1 writes what it prints now; look at the difference before you commit it.
if (process.env.UPDATE_GOLDEN) writeFileSync(join(import.meta.dir, 'expected.txt'), actual.join(''));
const expected = read('expected.txt');

test.each(cases.map((template, index) => [template, index] as const))('%s', (_, index) => {
  expect(expected).toContain(actual[index]!);
});

test('nothing more is expected', () => {
  expect(actual.join('')).toBe(expected);
});
