import { describe, expect, test } from 'bun:test';
import { encodeFilters, parseFilters } from './filters.ts';

describe('filters', () => {
  test('both shapes mean the same', () => {
    for (const text of [
      '{"label":["a=b","c"],"status":["running"]}',
      '{"label":{"a=b":true,"c":true},"status":{"running":true}}',
    ]) {
      const filters = parseFilters(text);
      expect([...filters.names]).toEqual(['label', 'status']);
      expect(filters.get('label')).toEqual(['a=b', 'c']);
      expect(filters.exact('status', 'running')).toBe(true);
      expect(filters.exact('status', 'exited')).toBe(false);
      expect(filters.exact('id', 'anything')).toBe(true);
    }
  });

  test('what is not of these shapes is refused', () => {
    for (const text of ['{', '[]', '"x"', '{"a":"b"}', '{"a":[1]}', '{"a":{"b":1}}']) {
      expect(() => parseFilters(text)).toThrow('invalid filter');
    }
    expect(() => parseFilters('{"x":["1"]}').restrictTo(new Set(['label']))).toThrow("invalid filter 'x'");
    expect(parseFilters('').has('x')).toBe(false);
    expect(parseFilters('null').has('x')).toBe(false);
  });

  test('labels by key and by value', () => {
    const filters = parseFilters('{"label":["a=b","c"],"label!":["d"]}');
    expect(filters.labels('label', { a: 'b', c: '' })).toBe(true);
    expect(filters.labels('label', { a: 'x', c: '' })).toBe(false);
    expect(filters.labels('label', null)).toBe(false);
    expect(filters.prunable({ a: 'b', c: '', d: '' })).toBe(false);
    expect(filters.prunable({ a: 'b', c: '' })).toBe(true);
  });

  test('a yes-or-no filter', () => {
    expect(parseFilters('{"dangling":["1"]}').bool('dangling', false)).toBe(true);
    expect(parseFilters('{"dangling":["false"]}').bool('dangling', true)).toBe(false);
    expect(parseFilters('').bool('dangling', true)).toBe(true);
    expect(() => parseFilters('{"dangling":["maybe"]}').bool('dangling', true)).toThrow(
      "invalid filter 'dangling=[maybe]'",
    );
    expect(() => parseFilters('{"dangling":["true","0"]}').bool('dangling', true)).toThrow('invalid filter');
  });

  test('what is encoded is read back', () => {
    const text = encodeFilters(new Map([['label', ['a=b']]]));
    expect(parseFilters(text).get('label')).toEqual(['a=b']);
  });
});
