import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TareError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import type { ProcessExit, Runtime } from '../../runtime/runtime.ts';
import type { NetworkService } from '../networks/networks.ts';
import { ContainerSet } from './container-set.ts';
import { INITIAL_STATE } from './lifecycle.ts';
import type { Container } from './model.ts';
import { ContainerPaths } from './paths.ts';
import { Supervisor } from './supervisor.ts';
import { Waiters } from './waiters.ts';

const ID = `a${'0'.repeat(63)}`;

/** A supervisor over a runtime that only remembers what it was asked. */
class World {
  readonly directory = mkdtempSync(join(tmpdir(), 'tare-supervisor-'));
  readonly calls: string[] = [];
  readonly events: string[] = [];
  readonly removed: string[] = [];
  readonly waiters = new Waiters();
  readonly set = new ContainerSet({
    insert() {},
    update() {},
    updateRunning() {},
    delete() {},
    all: () => [],
  });
  startError: Error | undefined;
  onCreate: () => void = () => {};
  onStart: () => void = () => {};
  onSignal: (signal: number) => void = () => {};
  onDelete: () => void = () => {};
  readonly supervisor = new Supervisor({
    checkLogDriver: () => {},
    set: this.set,
    runtime: {
      create: async () => {
        this.calls.push('create');
        this.onCreate();
        if (this.startError) throw this.startError;
        return { pid: 100, monitorPid: 99 };
      },
      start: async () => {
        this.calls.push('start');
        this.onStart();
      },
      signal: async (_id: string, signal: number) => {
        this.calls.push(`signal ${signal}`);
        this.onSignal(signal);
      },
      pause: async () => void this.calls.push('pause'),
      resume: async () => void this.calls.push('resume'),
      delete: async () => {
        this.calls.push('delete');
        this.onDelete();
      },
      pids: async () => [],
    } as unknown as Runtime,
    roots: { mount: async () => {}, isMapped: () => false },
    networks: {
      get: () => ({ driver: 'bridge' }),
      namespace: async () => ({ path: '/ns', fd: -1, close: () => void this.calls.push('close ns') }),
    } as unknown as NetworkService,
    bundles: { write: async () => [] },
    mounts: { prepare: async () => [], makeTargets() {}, created() {}, release: async () => {} },
    paths: new ContainerPaths(join(this.directory, 'data'), join(this.directory, 'run')),
    waiters: this.waiters,
    events: {
      emit: (event) => void this.events.push(event.action),
      hold: () => () => {},
      subscribe: () => () => {},
    },
    log: silentLogger,
    autoRemove: async (id) => void this.removed.push(id),
    postMortem: {
      examine: async (_container, exit) => ({ ...exit, rebooted: false, log: ['last words'] }),
    },
  });

  add(hostConfig: Record<string, unknown> = {}): void {
    this.set.add({
      id: ID,
      name: 'c',
      createdAt: 1,
      config: { tty: false, openStdin: false, stdinOnce: false, labels: {}, image: 'x' },
      hostConfig: {
        networkMode: 'bridge',
        logConfig: { type: 'json-file', config: {} },
        restartPolicy: { name: 'no', maximumRetryCount: 0 },
        autoRemove: false,
        portBindings: {},
        ...hostConfig,
      },
      mounts: [],
      endpoints: [],
      ports: [],
      state: INITIAL_STATE,
    } as unknown as Container);
  }

  exit(exitCode: number): Promise<void> {
    const exit: ProcessExit = {
      id: ID,
      execId: undefined,
      exitCode,
      finishedAt: Date.now(),
      oomKilled: false,
      exitCodeKnown: true,
    };
    return this.supervisor.handleExit(exit);
  }

  get state() {
    return this.set.get(ID).state;
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => {
  world.supervisor.close();
  rmSync(world.directory, { recursive: true });
});

describe('Supervisor', () => {
  test('start, end, waiters, events', async () => {
    world.add();
    await world.supervisor.start(ID);
    expect(world.state).toMatchObject({ status: 'running', pid: 100, monitorPid: 99 });
    expect(world.supervisor.start(ID)).rejects.toThrow('runs already');
    const ended = world.waiters.next(ID, 'exit');
    await world.exit(5);
    expect(await ended).toEqual({ exitCode: 5 });
    expect(world.state).toMatchObject({ status: 'exited', exitCode: 5, pid: 0 });
    expect(world.events).toEqual(['start', 'die']);
    expect(world.calls).toEqual(['create', 'close ns', 'start', 'delete']);
  });

  test('an end that comes before start returns is handled after it', async () => {
    world.add({ autoRemove: true });
    let handled: Promise<void> | undefined;
    world.onStart = () => {
      handled = world.exit(0);
    };
    await world.supervisor.start(ID);
    await handled;
    expect(world.state.status).toBe('exited');
    expect(world.events).toEqual(['start', 'die']);
    expect(world.removed).toEqual([ID]);
  });

  test("a failed start takes everything back and records Docker's exit code", async () => {
    world.add();
    world.startError = new TareError('invalid', 'exec: "nope": executable file not found in $PATH');
    await expect(world.supervisor.start(ID)).rejects.toThrow('executable file not found');
    expect(world.state).toMatchObject({ status: 'created', exitCode: 127 });
    expect(world.calls).toEqual(['create', 'close ns']);
    expect(world.events).toEqual([]);
  });

  test('stop sends the stop signal, then SIGKILL', async () => {
    world.add({ restartPolicy: { name: 'always', maximumRetryCount: 0 } });
    await world.supervisor.start(ID);
    world.onSignal = (signal) => {
      if (signal === 9) void world.exit(137);
    };
    await world.supervisor.stop(ID, { timeout: 0 });
    expect(world.calls.filter((call) => call.startsWith('signal'))).toEqual(['signal 15', 'signal 9']);
    expect(world.state).toMatchObject({ status: 'exited', exitCode: 137, manuallyStopped: true });
    await expect(world.supervisor.stop(ID, {})).rejects.toThrow('does not run');
  });

  test('a restart policy starts it again, until it is stopped while it waits', async () => {
    world.add({ restartPolicy: { name: 'always', maximumRetryCount: 0 } });
    await world.supervisor.start(ID);
    await world.exit(1);
    expect(world.state.status).toBe('restarting');
    await Bun.sleep(250);
    expect(world.state).toMatchObject({ status: 'running', restartCount: 1 });
    await world.exit(1);
    await world.supervisor.stop(ID, {});
    expect(world.state.status).toBe('exited');
    await Bun.sleep(300);
    expect(world.state.status).toBe('exited');
  });

  test('a stop that comes while the end is being handled is not followed by a restart', async () => {
    world.add({ restartPolicy: { name: 'always', maximumRetryCount: 0 } });
    await world.supervisor.start(ID);
    let stopped: Promise<void> | undefined;
    world.onDelete = () => {
      stopped ??= world.supervisor.stop(ID, {});
    };
    await world.exit(1);
    await stopped;
    expect(world.state).toMatchObject({ status: 'exited', exitCode: 1, manuallyStopped: true });
  });

  test('a stop that comes while a restart is on its way up ends what came up', async () => {
    world.add({ restartPolicy: { name: 'always', maximumRetryCount: 0 } });
    await world.supervisor.start(ID);
    await world.exit(1);
    const stopped = Promise.withResolvers<void>();
    world.onStart = () => world.supervisor.stop(ID, {}).then(stopped.resolve, stopped.reject);
    world.onSignal = () => void world.exit(143);
    await stopped.promise;
    expect(world.state).toMatchObject({ status: 'exited', exitCode: 143, manuallyStopped: true });
    await Bun.sleep(300);
    expect(world.state.status).toBe('exited');
  });

  test('a stop that comes while a restart fails is not followed by another', async () => {
    world.add({ restartPolicy: { name: 'always', maximumRetryCount: 0 } });
    await world.supervisor.start(ID);
    await world.exit(1);
    const stopped = Promise.withResolvers<void>();
    world.startError = new TareError('invalid', 'it does not start');
    world.onCreate = () => world.supervisor.stop(ID, {}).then(stopped.resolve, stopped.reject);
    await stopped.promise;
    await Bun.sleep(400);
    expect(world.state.status).toBe('exited');
    expect(world.calls.filter((call) => call === 'create')).toHaveLength(2);
  });

  test('the exit code is in the row before the runtime forgets it', async () => {
    world.add();
    await world.supervisor.start(ID);
    let noted: unknown;
    world.onDelete = () => {
      noted = { ...world.state };
    };
    await world.exit(7);
    expect(noted).toMatchObject({ status: 'running', exitCode: 7, exitCodeKnown: true });
  });

  test('ends that come during recovery are handled after it', async () => {
    world.add();
    await world.supervisor.start(ID);
    const restored = world.supervisor.deferEnds();
    const handled = world.exit(3);
    await Bun.sleep(5);
    expect(world.state.status).toBe('running');
    restored();
    await handled;
    expect(world.state).toMatchObject({ status: 'exited', exitCode: 3 });
  });

  test('pause and unpause keep to their states', async () => {
    world.add();
    await expect(world.supervisor.pause(ID)).rejects.toThrow('is not running');
    await world.supervisor.start(ID);
    await world.supervisor.pause(ID);
    await expect(world.supervisor.pause(ID)).rejects.toThrow('already paused');
    await world.supervisor.unpause(ID);
    await expect(world.supervisor.unpause(ID)).rejects.toThrow('not paused');
    expect(world.events).toEqual(['start', 'pause', 'unpause']);
  });
});

test('a restart does not remove a container with --rm, its own end does', async () => {
  world.add({ autoRemove: true });
  await world.supervisor.start(ID);
  // A process ends once, also when SIGKILL comes after the stop signal.
  let alive = true;
  world.onSignal = () => {
    if (alive) void world.exit(143);
    alive = false;
  };
  await world.supervisor.restart(ID, { timeout: 0 });
  expect(world.state.status).toBe('running');
  expect(world.removed).toEqual([]);
  await world.exit(0);
  expect(world.removed).toEqual([ID]);
});

test('a kill sends one signal and resolves after the end was handled', async () => {
  world.add();
  await world.supervisor.start(ID);
  world.onSignal = () => setTimeout(() => void world.exit(137), 20);
  await world.supervisor.kill(ID, 'kill', undefined);
  expect(world.state.status).toBe('exited');
  expect(world.events.filter((action) => action === 'kill')).toEqual(['kill']);
});
