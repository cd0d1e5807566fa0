import { expect, test } from 'bun:test';
import { oomKillLogged } from './oom-log.ts';

const line = (path: string) =>
  `oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=x,mems_allowed=0,oom_memcg=${path},task_memcg=${path},task=head,pid=7,uid=0`;

test('a kill in the cgroup since the first process started', () => {
  const group = '/system.slice/tare-a.scope';
  const first = { pid: 5, startTime: 1000 };
  const logged = (seconds: number, path: string) =>
    oomKillLogged(group, first, [
      { seconds: 1, message: 'Linux version 6.1.0' },
      { seconds, message: line(path) },
    ]);
  expect(logged(10.5, group)).toBe(true);
  expect(logged(10.5, `${group}/below`)).toBe(true);
  // Of an earlier run of the same container, and of another one.
  expect(logged(9.5, group)).toBe(false);
  expect(logged(10.5, '/system.slice/tare-ab.scope')).toBe(false);
});
