import { afterAll, describe, expect, test } from 'bun:test';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fakeContainer } from '../../../test/support/api/fake-containers.ts';
import { TareError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import type { MachineFacts } from '../../runtime/spec/input.ts';
import type { OciResources } from '../../runtime/spec/oci-spec.ts';
import { EventLog } from '../events/event-log.ts';
import type { ContainerSet } from './container-set.ts';
import { NO_RESOURCES } from './limit-update.ts';
import type { Container, Resources } from './model.ts';
import { ContainerPaths } from './paths.ts';
import type { UpdateNote } from './update-note.ts';
import { type ContainerChange, updateContainer } from './updater.ts';

const MB = 1024 * 1024;
const directory = mkdtempSync(join(tmpdir(), 'tare-update-'));
const bundle = join(directory, 'c', fakeContainer().id);
mkdirSync(bundle, { recursive: true });
afterAll(() => rmSync(directory, { recursive: true }));

const ALL = new Proxy({}, { get: () => true });

function lab(resources: Partial<Resources>, { alive = true, can = ALL as object } = {}) {
  const fake = fakeContainer();
  const events = new EventLog(silentLogger);
  const state = {
    container: {
      ...fake,
      hostConfig: { ...fake.hostConfig, resources: { ...NO_RESOURCES, ...resources } },
      state: { ...fake.state, status: alive ? 'running' : 'exited' },
    } as Container,
    written: [] as OciResources[],
    refuse: false,
    noted: undefined as UpdateNote | undefined,
    events: [] as string[],
  };
  events.subscribe(undefined, ({ action }) => state.events.push(action));
  const parts = {
    set: {
      get: () => state.container,
      update: (_id: string, change: Partial<Container>) => {
        state.container = { ...state.container, ...change };
        return state.container;
      },
    } as unknown as ContainerSet,
    runtime: {
      setLimits(_id: string, limits: OciResources) {
        if (state.refuse) throw new TareError('conflict', 'memory.limit_in_bytes cannot be set');
        state.noted = JSON.parse(readFileSync(join(bundle, 'update.json'), 'utf8'));
        state.written.push(limits);
      },
    },
    machine: {
      cgroupVersion: 1,
      cgroups: can,
      blockDevices: () => ({ major: 8, minor: 0 }),
    } as unknown as MachineFacts,
    paths: new ContainerPaths('/nowhere', directory),
    events,
  };
  const update = (given: Partial<Resources>, more: Omit<ContainerChange, 'resources'> = {}) =>
    updateContainer(parts, fake.id, { resources: { ...NO_RESOURCES, ...given }, ...more });
  return { state, update, resources: () => state.container.hostConfig.resources };
}

describe('update', () => {
  test('changes what was given, keeps the rest, and tells', () => {
    const { state, update, resources } = lab({ memory: 64 * MB, memorySwap: 128 * MB, cpuShares: 7 });
    expect(update({ memory: 100 * MB, pidsLimit: 9 })).toEqual({ warnings: [] });
    expect(resources()).toMatchObject({ memory: 100 * MB, memorySwap: 128 * MB, cpuShares: 7, pidsLimit: 9 });
    expect(state.written).toEqual([
      {
        memory: { limit: 100 * MB, swap: 128 * MB },
        cpu: { shares: 7 },
        pids: { limit: 9 },
      },
    ]);
    expect(state.events).toEqual(['update']);
  });

  test('limits can be taken away: processes, and the ban of the OOM killer', () => {
    const { state, update, resources } = lab({ pidsLimit: 5, oomKillDisable: true });
    update({ pidsLimit: -1, oomKillDisable: false });
    expect(state.written).toEqual([{ memory: { disableOOMKiller: false }, pids: { limit: -1 } }]);
    expect(resources()).toMatchObject({ pidsLimit: -1, oomKillDisable: false });
  });

  test('a container that does not run gets them at its next start', () => {
    const { state, update, resources } = lab({}, { alive: false });
    update({ cpuShares: 100 });
    expect(state.written).toEqual([]);
    expect(resources().cpuShares).toBe(100);
  });

  test('it is noted before the cgroup is touched, for as long as the row says otherwise', () => {
    const { state, update, resources } = lab({ memory: 64 * MB, memorySwap: -1 });
    update({ memory: 32 * MB });
    expect(state.noted).toMatchObject({ limits: { memory: { limit: 32 * MB } }, resources: resources() });
    expect(existsSync(join(bundle, 'update.json'))).toBe(false);
    state.refuse = true;
    expect(() => update({ memory: 16 * MB })).toThrow('cannot be set');
    expect(existsSync(join(bundle, 'update.json'))).toBe(false);
  });

  test('what the kernel refuses is not stored', () => {
    const { state, update, resources } = lab({ memory: 64 * MB, memorySwap: -1 });
    state.refuse = true;
    const id = state.container.id;
    expect(() => update({ memory: 32 * MB })).toThrow(
      `Cannot update container ${id}: memory.limit_in_bytes cannot be set`,
    );
    expect(resources().memory).toBe(64 * MB);
    expect(state.events).toEqual([]);
  });

  test('what the machine lacks is a warning, and nothing of it is stored', () => {
    const { update, resources } = lab({}, { can: {} });
    const { warnings } = update({ memory: 64 * MB, cpuShares: 9, cgroupConf: { 'memory.high': '5M' } });
    expect(warnings).toEqual([
      'Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.',
      'Your kernel does not support cgroup v2 or it is not mounted. Cgroup configuration discarded.',
      'Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.',
    ]);
    expect(resources()).toMatchObject({ memory: 0, cpuShares: 0 });
  });

  test.each([
    [
      { cpuPeriod: 5000 },
      { nanoCpus: 1e9 },
      'Nano CPUs cannot be updated as CPU Period has already been set',
    ],
    [{ cpuQuota: 5000 }, { nanoCpus: 1e9 }, 'Nano CPUs cannot be updated as CPU Quota has already been set'],
    [{ nanoCpus: 1e9 }, { cpuPeriod: 5000 }, 'CPU Period cannot be updated as NanoCPUs has already been set'],
    [{ nanoCpus: 1e9 }, { cpuQuota: 5000 }, 'CPU Quota cannot be updated as NanoCPUs has already been set'],
    [
      { memory: 64 * MB, memorySwap: 128 * MB },
      { memory: 256 * MB },
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    ],
    [{ memory: 64 * MB }, { memorySwap: 32 * MB }, 'Minimum memoryswap limit should be larger'],
    [{}, { memory: 5 * MB }, 'Minimum memory limit allowed is 6MB'],
    [{}, { nanoCpus: 1e15 }, 'range of CPUs is from 0.01 to'],
    [{}, { cgroupConf: { 'cgroup.procs': '1' } }, 'invalid cgroup-conf "cgroup.procs"'],
  ] as Array<[Partial<Resources>, Partial<Resources>, string]>)(
    'of %p refuses %p',
    (before, given, message) => {
      const { state, update } = lab(before);
      expect(() => update(given)).toThrow(message);
      expect(state.written).toEqual([]);
    },
  );

  test('the restart policy', () => {
    const { state, update } = lab({});
    update({}, { restartPolicy: { name: 'always', maximumRetryCount: 0 } });
    expect(state.container.hostConfig.restartPolicy.name).toBe('always');
    // A change of the policy touches no cgroup.
    expect(state.written).toEqual([]);
  });
});
