import { expect, test } from 'bun:test';
import { cgroupsPath } from './cgroup-path.ts';

test('a path for crun, a slice and a scope for systemd', () => {
  expect(cgroupsPath('abc', '', 'cgroupfs')).toBe('/tare/abc');
  expect(cgroupsPath('abc', '../../a/', 'cgroupfs')).toBe('/a/abc');
  expect(cgroupsPath('abc', '/', 'cgroupfs')).toBe('/abc');
  expect(cgroupsPath('abc', '', 'systemd')).toBe('system.slice:tare:abc');
  expect(cgroupsPath('abc', 'a-b.slice', 'systemd')).toBe('a-b.slice:tare:abc');
});

test.each(['/a', 'a', 'a/b.slice', '.slice/x'])('systemd has no parent %s', (parent) => {
  expect(() => cgroupsPath('abc', parent, 'systemd')).toThrow('should be a valid slice named as "xxx.slice"');
});
