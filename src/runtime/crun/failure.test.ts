import { expect, test } from 'bun:test';
import { cgroupWords } from './cgroup-words.ts';
import { createFailure, dockerWords, runtimeWords } from './failure.ts';

test('prefixes are taken off and the last line is what went wrong', () => {
  expect(runtimeWords('')).toBe('');
  expect(
    runtimeWords('warn: x\nerror: executable file `a` not found in $PATH: No such file or directory\n'),
  ).toBe('executable file `a` not found in $PATH: No such file or directory');
  expect(runtimeWords('2026-01-02T03:04:05.000006Z: crun: chdir `/x`: No such file or directory')).toBe(
    'chdir `/x`: No such file or directory',
  );
  expect(runtimeWords('[conmon:e]: Failed to open log file No space left on device')).toBe(
    'Failed to open log file No space left on device',
  );
});

const cases: Array<[string, string, string, string]> = [
  [
    'executable file `a` not found in $PATH: No such file or directory',
    'a',
    'not-found',
    'exec: "a": executable file not found in $PATH',
  ],
  [
    'executable file `/a` not found in $PATH: No such file or directory',
    '/a',
    'not-found',
    'exec: "/a": stat /a: no such file or directory',
  ],
  ['open executable: Operation not permitted', '/etc', 'not-executable', 'exec: "/etc": is a directory'],
  ['open executable: Permission denied', '/x', 'not-executable', 'exec: "/x": permission denied'],
  ['mount `proc`: Operation not permitted', '/x', 'other', 'mount `proc`: Operation not permitted'],
];
test.each(cases)('%s', (words, program, failure, text) => {
  expect(dockerWords(words, program)).toEqual({ text, failure } as ReturnType<typeof dockerWords>);
});

test('a failure without words still is a sentence', () => {
  expect(createFailure('', 'x').message).toContain('the runtime gave no reason');
});

test("a working directory that cannot be entered, in runc's words", () => {
  expect(dockerWords('chdir `/x`: No such file or directory', 'sh').text).toBe(
    'chdir to cwd ("/x") set in config.json failed: no such file or directory',
  );
});

test('a cgroup that cannot be made is not taken for a program that is not there', () => {
  const words = 'creating cgroup directory `/sys/fs/cgroup/x/tare/id`: No such file or directory';
  expect(cgroupWords(words, () => true)).toBe(
    'cannot make the cgroup /sys/fs/cgroup/x/tare/id: read-only file system; mount the cgroup hierarchy writable and try again',
  );
  expect(cgroupWords(words, () => false)).toBe('cannot make the cgroup /sys/fs/cgroup/x/tare/id');
  expect(cgroupWords(words.replace(/No such.*/, 'Permission denied'), () => false)).toMatch(
    /: Permission denied$/,
  );
  expect(cgroupWords('executable file `a` not found in $PATH')).toBeUndefined();
});
