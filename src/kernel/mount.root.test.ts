import { expect, test } from 'bun:test';
import { tmpdir } from 'node:os';
import { SyscallError } from './errno.ts';
import { mount } from './mount.ts';

test('what the kernel reads is what was passed, whatever the collector does meanwhile', () => {
  const target = tmpdir();
  const lowers = Array.from({ length: 6 }, (_, index) => `/some/where/overlay/l/abcde${index}`).join(':');
  const codes = new Map<string, number>();
  let garbage: Buffer[] = [];
  for (let round = 0; round < 200_000; round++) {
    garbage.push(Buffer.from(`garbage ${round} `.repeat(8)));
    if (garbage.length > 500) garbage = [];
    try {
      mount('nosuchfs', 'overlay', target, [`lowerdir=${lowers}`]);
    } catch (error) {
      if (!(error instanceof SyscallError)) throw error;
      codes.set(error.code, (codes.get(error.code) ?? 0) + 1);
    }
  }
  // The type is the only thing wrong with it: any other error would be of a string that nobody passed.
  expect([...codes]).toEqual([['ENODEV', 200_000]]);
}, 120_000);
