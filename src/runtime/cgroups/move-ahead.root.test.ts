import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { readLayout } from './layout.ts';
import { MoveAhead } from './move-ahead.ts';

test('the move ahead leaves this process where it is', async () => {
  const before = readFileSync('/proc/self/cgroup', 'utf8');
  const ahead = new MoveAhead(readLayout());
  ahead.begin();
  ahead.begin();
  await Bun.sleep(100);
  expect(readFileSync('/proc/self/cgroup', 'utf8')).toBe(before);
});

test('a machine whose cgroups cannot be written is left alone', async () => {
  const ahead = new MoveAhead({
    version: 2,
    hierarchies: ['/nowhere'],
    processes: '/nowhere',
    controller: () => undefined,
  });
  ahead.begin();
  await Bun.sleep(20);
  ahead.begin();
  await Bun.sleep(20);
});
