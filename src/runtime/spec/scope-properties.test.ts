import { expect, test } from 'bun:test';
import { isScope, scopeAnnotations, scopeAssignments } from './scope-properties.ts';

test('limits as properties of a scope', () => {
  expect(
    scopeAnnotations({
      memory: { limit: 1000, swap: 1500, reservation: 500 },
      cpu: { quota: 50_000, period: 200_000 },
      pids: { limit: 30 },
    }),
  ).toEqual({
    'run.oci.systemd.subgroup': '',
    'org.systemd.property.MemoryMax': 'uint64 1000',
    'org.systemd.property.MemorySwapMax': 'uint64 500',
    'org.systemd.property.MemoryLow': 'uint64 500',
    'org.systemd.property.TasksMax': 'uint64 30',
    'org.systemd.property.CPUQuotaPerSecUSec': 'uint64 250000',
    'org.systemd.property.CPUQuotaPeriodUSec': 'uint64 200000',
  });
  expect(scopeAnnotations({ memory: { limit: 1000, swap: 1000 } })).toMatchObject({
    'org.systemd.property.MemorySwapMax': 'uint64 0',
  });
  expect(scopeAnnotations({ memory: { limit: 1000, swap: -1 }, pids: { limit: -1 } })).toEqual({
    'run.oci.systemd.subgroup': '',
    'org.systemd.property.MemoryMax': 'uint64 1000',
  });
});

test('and as systemctl takes them', () => {
  expect(
    scopeAssignments({ memory: { limit: 1000, swap: 1500 }, cpu: { quota: 25_000, period: 100_000 } }),
  ).toEqual(['MemoryMax=1000', 'MemorySwapMax=500', 'CPUQuota=25%', 'CPUQuotaPeriodSec=100000us']);
});

test('what is a scope', () => {
  expect([isScope('system.slice:tare:abc'), isScope('/tare/abc'), isScope('/a.slice:b')]).toEqual([
    true,
    false,
    false,
  ]);
});
