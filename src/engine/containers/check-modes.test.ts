import { expect, test } from 'bun:test';
import { checkModes } from './check-modes.ts';
import type { HostConfig } from './model.ts';

const PLAIN = {
  networkMode: 'bridge',
  pidMode: '',
  ipcMode: '',
  utsMode: '',
  usernsMode: '',
  cgroupnsMode: '',
  isolation: '',
  links: [],
};
const check = (hostname: string, host: object) => () =>
  checkModes(hostname, { ...PLAIN, ...host } as unknown as HostConfig);

test('takes what is right', () => {
  expect(check('name', { pidMode: 'container:x', ipcMode: 'shareable', isolation: 'default' })).not.toThrow();
  expect(check('', { utsMode: 'host', pidMode: 'host', ipcMode: 'host', usernsMode: 'host' })).not.toThrow();
});

test.each([
  [{ pidMode: 'container' }, 'invalid PID mode: container'],
  [{ pidMode: 'what' }, 'invalid PID mode: what'],
  [{ ipcMode: 'what' }, 'invalid IPC mode: what'],
  [{ utsMode: 'what' }, 'invalid UTS mode: what'],
  [{ usernsMode: 'what' }, 'invalid userns mode: what'],
  [{ cgroupnsMode: 'what' }, 'invalid cgroup namespace mode: what'],
  [{ utsMode: 'host' }, 'conflicting options: hostname and the UTS mode'],
  [{ isolation: 'hyperv' }, `invalid isolation: "hyperv" - linux only supports 'default'`],
  [{ networkMode: 'host', links: ['a:b'] }, "host type networking can't be used with links"],
])('refuses %p', (host, message) => expect(check('name', host)).toThrow(message));
