import { describe, expect, test } from 'bun:test';
import { isGitAddress, parseGitAddress } from './git-address.ts';

describe('isGitAddress', () => {
  test.each([
    'https://host/x.git',
    'http://host/x.git#main:dir',
    'https://host/x.git?ref=v1',
    'git://host/x',
    'ssh://git@host:22/x',
    'git@host:team/x.git#v1',
  ])('%s is one', (text) => {
    expect(isGitAddress(text)).toBe(true);
  });

  test.each(['https://host/x', 'https://host/x.git.tar', './x.git', 'github.com/a/b', 'C:/x', 'a@b/c:d'])(
    '%s is none',
    (text) => {
      expect(isGitAddress(text)).toBe(false);
    },
  );

  test('a context may be called by the short form', () => {
    expect(isGitAddress('github.com/a/b', true)).toBe(true);
    expect(parseGitAddress('github.com/a/b#v1').remote).toBe('https://github.com/a/b');
  });
});

describe('parseGitAddress', () => {
  const plain = { ref: '', subdirectory: '', commit: '', keepGitDir: undefined, submodules: true };
  const commit = 'a'.repeat(40);
  test.each([
    ['https://h/x.git', {}],
    ['https://h/x.git#v1', { ref: 'v1' }],
    ['https://h/x.git#:sub/dir', { subdirectory: 'sub/dir' }],
    ['https://h/x.git#feature/a:sub', { ref: 'feature/a', subdirectory: 'sub' }],
    ['https://h/x.git?branch=b&subdir=s', { ref: 'refs/heads/b', subdirectory: 's' }],
    ['https://h/x.git?tag=v1&keep-git-dir=1', { ref: 'refs/tags/v1', keepGitDir: true }],
    [`https://h/x.git?commit=${commit}&submodules=false`, { ref: commit, commit, submodules: false }],
  ] as const)('%s', (text, expected) => {
    expect(parseGitAddress(text)).toEqual({ ...plain, remote: 'https://h/x.git', ...expected });
  });

  test.each([
    ['https://h/x.git#--upload-pack=touch', 'is no name of a branch'],
    ['https://h/x.git?ref=-x', 'is no name of a branch'],
    ['https://h/x.git#a..b', 'is no name of a branch'],
    ['https://h/x.git#a b', 'blanks or control'],
    ['https://h/x.git#main:../..', 'leads out of the repository'],
    ['ssh://-oProxyCommand=touch/x.git', 'begins with a dash'],
    ['ssh://git@-oProxyCommand=touch/x.git', 'begins with a dash'],
    ['git@-oProxyCommand:x.git', 'begins with a dash'],
    ['git@host:-x.git', 'begins with a dash'],
    ['-u@host:x.git', 'begins with a dash'],
    ['https://h/x.git?upload-pack=x', 'unexpected query parameter upload-pack'],
    ['https://h/x.git?ref=a#b', 'a query and a fragment'],
    ['https://h/x.git?ref=a&tag=b', 'more than one of'],
    ['https://h/x.git?commit=zz', 'is no commit'],
    ['https://h/x.git?submodules=some', 'true or false'],
  ])('%s is refused', (text, message) => {
    expect(() => parseGitAddress(text)).toThrow(message);
  });
});
