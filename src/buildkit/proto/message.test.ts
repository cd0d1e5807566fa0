import { expect, test } from 'bun:test';
import { isKind } from '../../base/errors.ts';
import {
  big64,
  blob,
  field,
  int32,
  int64,
  list,
  map,
  message,
  nested,
  text,
  truth,
  uint32,
} from './message.ts';

const Inner = message({ name: field(1, text), size: field(2, int64) });
const Outer = message({
  id: field(1, uint32),
  flag: field(2, truth),
  inner: field(3, nested(Inner)),
  inners: list(4, nested(Inner)),
  names: list(5, text),
  labels: map(6, text),
  data: field(7, blob),
  time: field(8, big64),
  line: field(20, int32),
});

test('what is written is read again', () => {
  const value = {
    id: 0xffff_ffff,
    flag: true,
    inner: { name: 'größe', size: 2 ** 40 },
    inners: [
      { name: 'a', size: 0 },
      { name: '', size: -1 },
    ],
    names: ['x', ''],
    labels: { a: 'b', empty: '' },
    data: Uint8Array.of(0, 255),
    time: 1_700_000_000_123_456_789n,
    line: -7,
  };
  const { labels, ...rest } = Outer.decode(Outer.encode(value));
  expect({ ...rest, labels: { ...labels } }).toEqual(value);
});

test('the bytes are those of the format', () => {
  // As protoc writes them: number and type in one byte, then the value.
  expect([...Outer.encode({ id: 150 })]).toEqual([0x08, 0x96, 0x01]);
  expect([...Outer.encode({ names: ['hi'] })]).toEqual([0x2a, 2, 0x68, 0x69]);
  expect([...Outer.encode({ labels: { k: 'v' } })]).toEqual([0x32, 6, 0x0a, 1, 0x6b, 0x12, 1, 0x76]);
  expect([...Outer.encode({ line: 1 })]).toEqual([0xa0, 0x01, 1]);
});

test('zeros are not written, and are what is not there', () => {
  expect(Outer.encode({ id: 0, flag: false, names: [], data: new Uint8Array(), time: 0n }).length).toBe(0);
  const { inner, names, time, id } = Outer.decode(new Uint8Array());
  expect({ inner, names, time, id }).toEqual({ inner: undefined, names: [], time: 0n, id: 0 });
});

test('unknown fields are skipped, and known numbers of another type', () => {
  const Newer = message({ id: field(1, text), more: field(99, text), names: list(5, text) });
  expect(Outer.decode(Newer.encode({ id: 'text', more: 'x', names: ['kept'] }))).toMatchObject({
    id: 0,
    names: ['kept'],
  });
});

test('a key of a map may be __proto__', () => {
  const { labels } = Outer.decode(Outer.encode({ labels: JSON.parse('{"__proto__": "x"}') }));
  expect(Object.entries(labels)).toEqual([['__proto__', 'x']]);
  expect(({} as Record<string, unknown>).x).toBeUndefined();
});

test.each([[[0x0a, 5, 1]], [[0xff]], [[0x1a, 2, 0x0a, 9]]])('malformed bytes %p are refused', (bytes) => {
  let thrown: unknown;
  try {
    Outer.decode(Uint8Array.from(bytes));
  } catch (error) {
    thrown = error;
  }
  expect(isKind(thrown, 'invalid')).toBe(true);
});
