import { expect, test } from 'bun:test';
import { Definition } from '../proto/llb.ts';
import { definitionOf, imageOf } from './results.ts';

test('an image in a definition, as a client brings it back', () => {
  const id = `sha256:${'a'.repeat(64)}`;
  const { def, metadata } = Definition.decode(Definition.encode(definitionOf(id)));
  expect(def).toHaveLength(2);
  expect(Object.keys(metadata)).toHaveLength(2);
  expect(imageOf({ def })).toBe(id);
});

test('a definition of somebody else', () => {
  expect(imageOf({ def: [new Uint8Array()] })).toBeUndefined();
  expect(imageOf({})).toBeUndefined();
});
