import { expect, test } from 'bun:test';
import { suggestions } from './edit-distance.ts';

test.each([
  ['rnu', ['run']],
  ['imagse', ['images']],
  ['conta', ['container']],
  ['xyz', []],
])('%p may mean %p', (word, meant) => {
  expect(suggestions(word, ['run', 'rm', 'images', 'container', 'logs'])).toEqual(meant);
});
