import { expect, test } from 'bun:test';
import { chooseSysctls } from './sysctls.ts';

const OWN = {
  network: 'private',
  pid: 'private',
  ipc: 'private',
  uts: 'private',
  cgroup: 'private',
} as const;

test('parameters of namespaces of its own, with the defaults of an own network', () => {
  const sysctls = { 'net.core.somaxconn': '7', 'kernel.msgmax': '1', 'fs.mqueue.msg_max': '9' };
  expect(chooseSysctls({ namespaces: OWN, domainname: 'd', sysctls })).toEqual({
    'net.ipv4.ip_unprivileged_port_start': '0',
    'net.ipv4.ping_group_range': '0 2147483647',
    'kernel.domainname': 'd',
    ...sysctls,
  });
  expect(chooseSysctls({ namespaces: { ...OWN, network: 'host' }, domainname: '', sysctls: {} })).toEqual({});
});

test.each([
  ['net.ipv4.ip_forward', { network: 'host' }, 'not allowed in host network namespace'],
  ['net/ipv4/ip_forward', { network: 'host' }, 'not allowed in host network namespace'],
  ['kernel.shmmax', { ipc: 'host' }, 'is not allowed in the hosts ipc namespace'],
  ['fs.mqueue.msg_max', { ipc: 'host' }, 'is not allowed in the hosts ipc namespace'],
  ['kernel.domainname', { uts: 'host' }, 'is not in a separate kernel namespace'],
  ['kernel.hostname', {}, 'is not allowed as it conflicts with the OCI "hostname" field'],
  ['vm.swappiness', {}, 'is not in a separate kernel namespace'],
] as const)('%s is refused', (name, change, words) => {
  const choose = () =>
    chooseSysctls({ namespaces: { ...OWN, ...change }, domainname: '', sysctls: { [name]: '1' } });
  expect(choose).toThrow(`sysctl "${name}" ${words}`);
});

test('a domain name needs a uts namespace of its own', () => {
  const choose = () => chooseSysctls({ namespaces: { ...OWN, uts: 'host' }, domainname: 'd', sysctls: {} });
  expect(choose).toThrow('sysctl "kernel.domainname" is not in a separate kernel namespace');
});
