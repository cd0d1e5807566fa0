import { expect, test } from 'bun:test';
import { fakeContainer } from '../../../test/support/api/fake-containers.ts';
import type { MachineFacts } from '../../runtime/spec/input.ts';
import { NO_RESOURCES } from './limit-update.ts';
import { fitToMachine } from './machine-check.ts';
import type { HostConfig, Resources } from './model.ts';

const machine = (change: Partial<MachineFacts> = {}): MachineFacts => ({
  cgroupVersion: 1,
  architecture: 'amd64',
  kernelRelease: '6.1',
  capabilities: ['CAP_CHOWN'],
  hardLimits: { nofile: 1000 },
  oomScoreAdj: 0,
  apparmor: false,
  cgroups: new Proxy({}, { get: () => true }) as MachineFacts['cgroups'],
  blockDevices: (path) => (path === '/dev/sda' ? { major: 8, minor: 0 } : undefined),
  ...change,
});

const host = (change: Partial<HostConfig>, resources: Partial<Resources> = {}): HostConfig => ({
  ...fakeContainer().hostConfig,
  ...change,
  resources: { ...NO_RESOURCES, ...resources },
});

test('what the daemon itself may not give is a warning', () => {
  const wanted = host(
    { capAdd: ['SYS_ADMIN'], oomScoreAdj: -5 },
    { ulimits: [{ name: 'nofile', soft: 5000, hard: 5000 }] },
  );
  expect(fitToMachine(wanted, machine()).warnings).toEqual([
    'The daemon does not have CAP_SYS_ADMIN itself. CAP_SYS_ADMIN discarded.',
    "The daemon's own hard limit for nofile is 1000. nofile limited to 1000.",
    'The daemon may not lower OOM scores below its own (0). OomScoreAdj discarded.',
  ]);
  const free = machine({ capabilities: ['CAP_SYS_ADMIN', 'CAP_SYS_RESOURCE'] });
  expect(fitToMachine(wanted, free).warnings).toEqual([]);
});

test('what the kernel lacks is dropped', () => {
  const bare = machine({ cgroups: {} as MachineFacts['cgroups'] });
  const fitted = fitToMachine(host({}, { cpuShares: 5, cgroupConf: { 'memory.high': '5M' } }), bare);
  expect(fitted.resources).toMatchObject({ cpuShares: 0, cgroupConf: {} });
  expect(fitted.warnings).toHaveLength(2);
});

test('what could never start is refused', () => {
  const reads = { blkioDeviceReadBps: [{ path: '/dev/none', rate: 1 }] };
  expect(() => fitToMachine(host({}, reads), machine())).toThrow('no such block device: /dev/none');
  expect(() => fitToMachine(host({ oomScoreAdj: 1001 }), machine())).toThrow(
    'Invalid value 1001, range for oom score adj is [-1000, 1000]',
  );
  const both = host({ privileged: true, cgroupnsMode: 'private' });
  expect(() => fitToMachine(both, machine())).toThrow(
    'privileged mode is incompatible with private cgroup namespaces on cgroup v1 host.',
  );
  expect(fitToMachine(both, machine({ cgroupVersion: 2 })).warnings).toEqual([]);
});
