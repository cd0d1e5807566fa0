import { expect, test } from 'bun:test';
import { DetachFilter, parseDetachKeys } from './detach-keys.ts';

test('keys by name', () => {
  expect(parseDetachKeys('')).toEqual([16, 17]);
  expect(parseDetachKeys('ctrl-a,x')).toEqual([1, 120]);
  expect(parseDetachKeys('ctrl-@,ctrl-\\,ctrl-_')).toEqual([0, 28, 31]);
  expect(() => parseDetachKeys('foo')).toThrow("unknown character: 'foo'");
});

/** Types the texts one after another; what the container gets, and whether that detached. */
function type(...texts: string[]): [string, boolean] {
  const filter = new DetachFilter([16, 17]);
  let received = '';
  let detached = false;
  for (const text of texts) {
    const result = filter.push(new TextEncoder().encode(text));
    received += Buffer.from(result.bytes).toString();
    detached ||= result.detached;
  }
  return [received, detached];
}

test('the sequence detaches, also when it is typed key by key', () => {
  expect(type('ab\x10\x11')).toEqual(['ab', true]);
  expect(type('ab', '\x10', '\x11')).toEqual(['ab', true]);
  expect(type('\x10\x10\x11')).toEqual(['\x10', true]);
});

test('what only begins like it goes on to the container', () => {
  expect(type('a\x10b')).toEqual(['a\x10b', false]);
  expect(type('\x10', 'x\x11')).toEqual(['\x10x\x11', false]);
  expect(type('\x11')).toEqual(['\x11', false]);
});
