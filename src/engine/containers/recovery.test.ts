import { afterAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../base/log.ts';
import type { NetworkService } from '../networks/networks.ts';
import { ContainerSet } from './container-set.ts';
import { INITIAL_STATE } from './lifecycle.ts';
import type { Container } from './model.ts';
import { ContainerPaths } from './paths.ts';
import { ContainerRecovery } from './recovery.ts';

const directory = mkdtempSync(join(tmpdir(), 'tare-recovery-'));
afterAll(() => rmSync(directory, { recursive: true }));

test('of containers with --rm, those that have ended are removed, and those that never ran stay', async () => {
  const set = new ContainerSet({
    insert() {},
    update() {},
    updateRunning() {},
    delete() {},
    all: () => [],
  });
  const paths = new ContainerPaths(join(directory, 'data'), join(directory, 'run'));
  mkdirSync(paths.bundles, { recursive: true });
  const ended = { ...INITIAL_STATE, status: 'exited' as const, startedAt: 1, finishedAt: 2 };
  const add = (id: string, autoRemove: boolean, state: Container['state']): void => {
    mkdirSync(paths.directory(id), { recursive: true });
    const restartPolicy = { name: 'no', maximumRetryCount: 0 };
    set.add({ id, name: id, hostConfig: { autoRemove, restartPolicy }, state } as unknown as Container);
  };
  add('ended', true, ended);
  add('waiting', true, INITIAL_STATE);
  add('kept', false, ended);
  const removed: string[] = [];
  const recovery = new ContainerRecovery({
    set,
    runtime: {
      adopt: async () => ({ state: 'gone' }),
      start: async () => {},
      resume: async () => {},
      delete: async () => {},
      setLimits() {},
    },
    supervisor: {
      deferEnds: () => () => {},
      handleExit: async () => {},
      resumeRestart: () => {},
      start: async () => {},
    },
    snapshotter: { listSnapshots: () => ['ended', 'waiting', 'kept'], remove: async () => {} },
    mounts: { sweep() {} },
    volumes: { restore: async () => {} },
    networks: { restore: async () => {} } as unknown as NetworkService,
    paths,
    completeFiles: () => false,
    autoRemove: async (id) => void removed.push(id),
    log: silentLogger,
  });
  const unfinished = await recovery.adopt();
  // Before the API answers nothing is removed: whoever waits for it must be able to hear of it.
  expect(removed).toEqual([]);
  await recovery.finish(unfinished);
  expect(removed).toEqual(['ended']);
});
