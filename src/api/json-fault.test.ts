import { expect, test } from 'bun:test';
import { jsonFault } from './json-fault.ts';

test.each([
  ['{invalid json', "invalid character 'i' looking for beginning of object key string"],
  ['{"a" 1}', "invalid character '1' after object key"],
  ['{"a": 1 "b"}', "invalid character '\"' after object key:value pair"],
  ['{"a": 1,}', "invalid character '}' looking for beginning of object key string"],
  ['[1 2]', "invalid character '2' after array element"],
  ['hello', "invalid character 'h' looking for beginning of value"],
  ["'a'", "invalid character '\\'' looking for beginning of value"],
  ['{"a": tru}', "invalid character '}' in literal true (expecting 'e')"],
  ['{"a": "x\ny"}', "invalid character '\\n' in string literal"],
  ['{"a": "\\x"}', "invalid character 'x' in string escape code"],
  ['{"a": "\\u12g4"}', "invalid character 'g' in \\u hexadecimal character escape"],
  ['{"a": 1.}', "invalid character '}' after decimal point in numeric literal"],
  ['{"a": 1e}', "invalid character '}' in exponent of numeric literal"],
  ['{"a": -}', "invalid character '}' in numeric literal"],
  ['{"a": [1, {"b": "c"', 'unexpected EOF'],
])('%s: %s', (text, words) => {
  expect(() => JSON.parse(text)).toThrow();
  expect(jsonFault(text)).toBe(`invalid JSON: ${words}`);
});

test('what follows the first value is named', () => {
  expect(jsonFault('{} trailing content')).toBe('unexpected content after JSON');
});

test('a very deep value is not followed to its end', () => {
  expect(jsonFault('['.repeat(1_000_000))).toBe('invalid JSON: exceeded max depth');
});
