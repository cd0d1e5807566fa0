import { describe, expect, test } from 'bun:test';
import { changedMode, parseModeChange } from './file-mode.ts';

const changed = (text: string, mode: number, isDirectory = false): string =>
  changedMode(parseModeChange(text), mode, isDirectory).toString(8);

describe('modes', () => {
  // As coreutils' chmod has it.
  test.each([
    ['755', 0o600, '755'],
    ['0644', 0o777, '644'],
    ['4755', 0o600, '4755'],
    ['u+x', 0o644, '744'],
    ['+x', 0o644, '755'],
    ['a-w,u+w', 0o666, '644'],
    ['go=', 0o777, '700'],
    ['u=rwx,g=rx,o=r', 0, '754'],
    ['g=u', 0o750, '770'],
    ['o=g', 0o754, '755'],
    ['u+s', 0o755, '4755'],
    ['g+s', 0o755, '2755'],
    ['+t', 0o755, '1755'],
    ['a=rX', 0o640, '444'],
    ['a=rX', 0o750, '555'],
    ['u+r-w', 0o300, '500'],
  ])('%s of %p', (text, mode, expected) => {
    expect(changed(text, mode)).toBe(expected);
  });

  test('X and set-id bits of directories', () => {
    expect(changed('a=rX', 0o600, true)).toBe('555');
    expect(changed('u=rwx', 0o4700, true)).toBe('4700');
    expect(changed('u=rwx', 0o4700, false)).toBe('700');
  });

  test.each(['', '999', '10000', 'u', 'x', 'u+y', 'u+x,', 'u+x g+x', '-755'])('%j is refused', (text) => {
    expect(() => parseModeChange(text)).toThrow('invalid chmod parameter');
  });
});
