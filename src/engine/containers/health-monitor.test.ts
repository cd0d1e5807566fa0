import { beforeEach, describe, expect, test } from 'bun:test';
import { silentLogger } from '../../base/log.ts';
import type { EngineEvent } from '../events/events.ts';
import { ContainerSet } from './container-set.ts';
import { HealthMonitor } from './health-monitor.ts';
import { INITIAL_STATE } from './lifecycle.ts';
import type { Container, ContainerState, ProbeResult } from './model.ts';

const ID = 'c'.repeat(64);

/** A monitor with a clock that only moves when told. */
class World {
  now = 1_000_000;
  readonly timers = new Set<{ at: number; run: () => void }>();
  readonly probes: number[] = [];
  readonly unhealthy: string[] = [];
  readonly emitted: string[] = [];
  readonly listeners = new Set<(event: EngineEvent) => void>();
  answer: () => Promise<Pick<ProbeResult, 'exitCode'>> = async () => ({ exitCode: 0 });
  readonly set = new ContainerSet({
    insert() {},
    update() {},
    updateRunning() {},
    delete() {},
    all: () => [],
  });
  readonly monitor = new HealthMonitor({
    set: this.set,
    events: {
      emit: ({ action }) => void this.emitted.push(action),
      hold: () => () => {},
      subscribe: (_since, listener) => {
        this.listeners.add(listener);
        return () => this.listeners.delete(listener);
      },
    },
    probe: async () => {
      const start = this.now;
      this.probes.push(start);
      const { exitCode } = await this.answer();
      return { start, end: this.now, exitCode, output: 'said' };
    },
    onUnhealthy: ({ id }) => void this.unhealthy.push(id),
    log: silentLogger,
    now: () => this.now,
    after: (millis, run) => {
      const timer = { at: this.now + millis, run };
      this.timers.add(timer);
      return () => this.timers.delete(timer);
    },
  });

  add(check: Record<string, unknown>, state: Partial<ContainerState> = {}): void {
    this.set.add({
      id: ID,
      name: 'c',
      config: { image: 'x', labels: {}, healthcheck: { Test: ['CMD', 'x'], ...check } },
      state: { ...INITIAL_STATE, status: 'running', startedAt: this.now, ...state },
    } as unknown as Container);
  }

  tell(action: string): void {
    for (const listener of this.listeners) listener({ type: 'container', action, id: ID } as EngineEvent);
  }

  /** Moves the clock on, running what comes due. */
  async advance(millis: number): Promise<void> {
    const end = this.now + millis;
    for (;;) {
      const [next] = [...this.timers].filter(({ at }) => at <= end).sort((a, b) => a.at - b.at);
      if (!next) break;
      this.timers.delete(next);
      this.now = next.at;
      next.run();
      await Bun.sleep(0);
    }
    this.now = end;
  }

  get health() {
    return this.set.get(ID).state.health;
  }
}

let world: World;
beforeEach(() => {
  world = new World();
});
const SECOND = 1e9;

describe('HealthMonitor', () => {
  test('checks every interval from the start on and tells of changes only', async () => {
    world.add({ Interval: SECOND, Retries: 2 });
    const begin = world.now;
    world.tell('start');
    expect(world.health?.status).toBe('starting');
    await world.advance(3500);
    expect(world.probes.map((at) => at - begin)).toEqual([1000, 2000, 3000]);
    world.answer = async () => ({ exitCode: 1 });
    await world.advance(3000);
    expect(world.emitted).toEqual(['health_status: healthy', 'health_status: unhealthy']);
    expect(world.unhealthy).toEqual([ID]);
    expect(world.health).toMatchObject({ status: 'unhealthy', failingStreak: 3 });
    expect(world.health?.log).toHaveLength(5);
  });

  test('the start interval, then the interval', async () => {
    world.add({ Interval: 10 * SECOND, StartPeriod: 3 * SECOND, StartInterval: SECOND, Retries: 1 });
    world.answer = async () => ({ exitCode: 1 });
    const begin = world.now;
    world.tell('start');
    await world.advance(30_000);
    expect(world.probes.map((at) => at - begin)).toEqual([1000, 2000, 3000, 13_000, 23_000]);
    expect(world.health).toMatchObject({ status: 'unhealthy', failingStreak: 3 });
  });

  test('the next check waits for the one under way', async () => {
    world.add({ Interval: SECOND });
    const { promise, resolve } = Promise.withResolvers<{ exitCode: number }>();
    world.answer = () => promise;
    world.tell('start');
    await world.advance(5000);
    expect(world.probes).toHaveLength(1);
    resolve({ exitCode: 0 });
    await Bun.sleep(0);
    await world.advance(1000);
    expect(world.probes).toHaveLength(2);
  });

  test('the result of a check that outlived its run counts for nothing', async () => {
    world.add({ Interval: SECOND });
    const { promise, resolve } = Promise.withResolvers<{ exitCode: number }>();
    world.answer = () => promise;
    world.tell('start');
    await world.advance(1000);
    world.tell('die');
    world.tell('start');
    resolve({ exitCode: 0 });
    await Bun.sleep(0);
    expect(world.health?.log).toEqual([]);
    expect(world.emitted).toEqual([]);
  });

  test('a paused or ended container is not checked; a thawed one is', async () => {
    world.add({ Interval: SECOND });
    world.tell('start');
    world.tell('pause');
    await world.advance(5000);
    expect(world.probes).toEqual([]);
    world.tell('unpause');
    await world.advance(1500);
    expect(world.probes).toHaveLength(1);
    world.tell('die');
    await world.advance(5000);
    expect(world.probes).toHaveLength(1);
  });

  test('after a restart of the daemon the next check comes when it was due, and the log goes on', async () => {
    const before = { start: 999_400, end: 999_500, exitCode: 1, output: '' };
    world.add(
      { Interval: SECOND },
      { startedAt: 900_000, health: { status: 'starting', failingStreak: 2, log: [before] } },
    );
    world.answer = async () => ({ exitCode: 1 });
    world.monitor.resume();
    await world.advance(500);
    expect(world.probes).toEqual([1_000_500]);
    expect(world.health).toMatchObject({ status: 'unhealthy', failingStreak: 3 });
    expect(world.health?.log).toHaveLength(2);
  });

  test('nothing happens without a check, and nothing after the end', async () => {
    world.add({ Test: ['NONE'] });
    world.tell('start');
    await world.advance(100_000);
    expect(world.probes).toEqual([]);
    expect(world.health).toBeUndefined();
    world.monitor.close();
    expect(world.listeners.size).toBe(0);
    expect(world.timers.size).toBe(0);
  });
});
