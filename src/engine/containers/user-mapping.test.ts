import { expect, test } from 'bun:test';
import { aroundKept, keptUser } from './user-mapping.ts';

const range = (inside: number, outside: number, count: number) => ({ inside, outside, count });

test('the kept id is itself, the others are subordinate ones around it', () => {
  expect(aroundKept(1000, [range(0, 100_000, 65_536)])).toEqual([
    range(1000, 1000, 1),
    range(0, 100_000, 1000),
    range(1001, 101_000, 64_536),
  ]);
  expect(aroundKept(0, [range(0, 100_000, 10)])).toEqual([range(0, 0, 1), range(1, 100_000, 10)]);
  expect(aroundKept(15, [range(0, 100_000, 10), range(10, 300_000, 10)])).toEqual([
    range(15, 15, 1),
    range(0, 100_000, 10),
    range(10, 300_000, 5),
    range(16, 300_005, 5),
  ]);
  expect(aroundKept(500, [range(0, 100_000, 10)])).toEqual([range(500, 500, 1), range(0, 100_000, 10)]);
});

test('who is kept', () => {
  expect(keptUser('keep-id:uid=1000,gid=50')).toEqual({ uid: 1000, gid: 50 });
  for (const mode of ['', 'host', 'keep-id', 'keep-id:uid=x,gid=1']) expect(keptUser(mode)).toBeUndefined();
});
