import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { EventBus } from '../events/events.ts';
import { containerEvent } from './container-event.ts';
import type { ContainerSet } from './container-set.ts';
import { type HealthRules, healthAfter, healthAtStart, healthRules, untilNextProbe } from './health.ts';
import type { Container, ProbeResult } from './model.ts';

/** What watching over containers' health takes. */
export interface HealthMonitorParts {
  readonly set: ContainerSet;
  readonly events: EventBus;
  /** Runs the check once; never rejects. */
  readonly probe: (containerId: string, rules: HealthRules) => Promise<ProbeResult>;
  /** A container has just become unhealthy. */
  readonly onUnhealthy: (container: Container) => void;
  readonly log: Logger;
  readonly now?: () => number;
  /** Calls `run` after some milliseconds; returns how to prevent it. */
  readonly after?: (millis: number, run: () => void) => () => void;
}

/** One container being watched. */
interface Watch {
  readonly rules: HealthRules;
  /** Which run of the container it belongs to. */
  readonly startedAt: number;
  readonly from: number;
  cancel: () => void;
}

/**
 * Runs the health checks of running containers, one at a time for each. It follows the event stream: what starts or is
 * thawed is watched, what ends or is frozen is not.
 */
export class HealthMonitor {
  readonly #parts: HealthMonitorParts;
  readonly #watched = new Map<string, Watch>();
  readonly #unsubscribe: () => void;
  readonly #now: () => number;

  constructor(parts: HealthMonitorParts) {
    this.#parts = parts;
    this.#now = parts.now ?? Date.now;
    this.#unsubscribe = parts.events.subscribe(undefined, ({ type, action, id }) => {
      if (type !== 'container') return;
      if (action === 'start' || action === 'unpause') this.#watch(id);
      else if (action === 'die' || action === 'pause' || action === 'destroy') this.#unwatch(id);
    });
  }

  /** Goes on with what an earlier daemon watched: each next check comes when it would have come. */
  resume(): void {
    for (const { id, state } of this.#parts.set.list())
      if (state.status === 'running') this.#watch(id, state.startedAt);
  }

  /** `from`: the wait for the next check began then, or with the last result. */
  #watch(id: string, from = this.#now()): void {
    this.#unwatch(id);
    const container = this.#parts.set.byId(id);
    if (container?.state.status !== 'running') return;
    const { config, state } = container;
    const rules = healthRules(config.healthcheck, config.shell);
    if (!rules) return;
    if (!state.health) this.#parts.set.note(id, { health: healthAtStart(undefined) });
    const watch: Watch = { rules, startedAt: state.startedAt, from, cancel: () => {} };
    this.#watched.set(id, watch);
    this.#schedule(id, watch);
  }

  #unwatch(id: string): void {
    this.#watched.get(id)?.cancel();
    this.#watched.delete(id);
  }

  #schedule(id: string, watch: Watch): void {
    const health = this.#parts.set.byId(id)?.state.health;
    if (!health) return;
    const now = this.#now();
    const since = Math.max(watch.from, health.log.at(-1)?.end ?? 0);
    const due = since + untilNextProbe(health, watch.rules, now - watch.startedAt);
    const after = this.#parts.after ?? afterTimeout;
    watch.cancel = after(Math.max(0, due - now), () => {
      this.#check(id, watch).catch((error) => {
        this.#parts.log.error('health check', { id, error: messageOf(error) });
      });
    });
  }

  async #check(id: string, watch: Watch): Promise<void> {
    const result = await this.#parts.probe(id, watch.rules);
    const container = this.#parts.set.byId(id);
    // It ended, was paused or was started anew meanwhile: the result says nothing about it.
    if (this.#watched.get(id) !== watch || !container?.state.health) return;
    const before = container.state.health;
    const health = healthAfter(before, result, watch.rules, watch.startedAt);
    const after = this.#parts.set.note(id, { health });
    this.#schedule(id, watch);
    if (health.status === before.status) return;
    this.#parts.events.emit(containerEvent(after, `health_status: ${health.status}`));
    if (health.status === 'unhealthy') this.#parts.onUnhealthy(after);
  }

  /** No more checks. */
  close(): void {
    this.#unsubscribe();
    for (const id of [...this.#watched.keys()]) this.#unwatch(id);
  }
}

function afterTimeout(millis: number, run: () => void): () => void {
  // setTimeout takes no more than this; a check that is due later than in 24 days comes then.
  const timer = setTimeout(run, Math.min(millis, 0x7fffffff));
  return () => clearTimeout(timer);
}
