import type { Logger } from '../../base/log.ts';
import type { InterfaceCounters } from '../../netdriver/interface-counters.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { SystemCpu } from '../../runtime/system-cpu.ts';
import type { ContainerSet } from './container-set.ts';
import { isAlive } from './lifecycle.ts';
import type { Container } from './model.ts';
import { networkMode } from './modes.ts';
import type { StatisticsSample, StatisticsService } from './statistics.ts';

/** What reading statistics takes. */
export interface SamplerParts {
  readonly set: Pick<ContainerSet, 'get' | 'byId' | 'find'>;
  readonly runtime: Pick<Runtime, 'statistics'>;
  readonly interfaces: (pid: number) => InterfaceCounters[];
  readonly systemCpu: () => SystemCpu;
  readonly log: Logger;
}

/** Milliseconds between two readings for those who watch. */
const PERIOD = 1000;
/** What lies between the two readings of a pair. The kernel counts the whole machine's time in ticks of 10 ms. */
const PAIR_DISTANCE = 500;
/** Up to this age the sampler's last reading is the earlier one of a pair. */
const PAIR_LIMIT = 2000;
/** Containers that are read before others get their turn: each costs some 0.2 ms. */
const AT_ONCE = 8;

interface Watcher {
  readonly listener: (reading: StatisticsSample | undefined) => void;
  readonly gone: () => void;
}

interface Watched {
  readonly watchers: Set<Watcher>;
  last: StatisticsSample | undefined;
}

/** Reads what containers use, once a second for all who watch. */
export class StatisticsSampler implements StatisticsService {
  readonly #parts: SamplerParts;
  readonly #watched = new Map<string, Watched>();
  #timer: Timer | undefined;
  #sampling = false;

  constructor(parts: SamplerParts) {
    this.#parts = parts;
  }

  once(ref: string): StatisticsSample | undefined {
    return this.#read(this.#parts.set.get(ref), this.#parts.systemCpu());
  }

  async pair(ref: string): Promise<{ before: StatisticsSample; now: StatisticsSample } | undefined> {
    const { set } = this.#parts;
    const { id } = set.get(ref);
    const last = this.#watched.get(id)?.last;
    const before = last && Date.now() - last.at < PAIR_LIMIT ? last : this.once(id);
    if (before === undefined) return undefined;
    await Bun.sleep(Math.max(0, before.at + PAIR_DISTANCE - Date.now()));
    const container = set.byId(id);
    const now = container && this.#read(container, this.#parts.systemCpu());
    return now && { before, now };
  }

  watch(ref: string, listener: Watcher['listener'], gone: () => void): () => void {
    const { id } = this.#parts.set.get(ref);
    const entry = this.#watched.get(id) ?? { watchers: new Set(), last: undefined };
    this.#watched.set(id, entry);
    const watcher = { listener, gone };
    entry.watchers.add(watcher);
    entry.last = this.once(id);
    listener(entry.last);
    this.#timer ??= setInterval(() => void this.#tick(), PERIOD);
    return () => {
      entry.watchers.delete(watcher);
      if (entry.watchers.size === 0) this.#forget(id);
    };
  }

  /** Stops; nobody is told. */
  close(): void {
    this.#watched.clear();
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #forget(id: string): void {
    this.#watched.delete(id);
    if (this.#watched.size === 0) this.close();
  }

  async #tick(): Promise<void> {
    // A machine so busy that a round takes a second skips the next one.
    if (this.#sampling) return;
    this.#sampling = true;
    try {
      const system = this.#parts.systemCpu();
      let read = 0;
      for (const [id, entry] of [...this.#watched]) {
        this.#sampleWatched(id, entry, system);
        if (++read % AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    } catch (error) {
      this.#parts.log.warn('reading statistics', { error });
    } finally {
      this.#sampling = false;
    }
  }

  #sampleWatched(id: string, entry: Watched, system: SystemCpu): void {
    const container = this.#parts.set.byId(id);
    if (container === undefined) {
      this.#forget(id);
      for (const watcher of [...entry.watchers]) watcher.gone();
      return;
    }
    entry.last = this.#read(container, system);
    for (const watcher of [...entry.watchers]) watcher.listener(entry.last);
  }

  #read(container: Container, system: SystemCpu): StatisticsSample | undefined {
    if (!isAlive(container.state)) return undefined;
    try {
      const cgroup = this.#parts.runtime.statistics(container.id);
      // It is ending right now.
      if (cgroup.pids === undefined && cgroup.cpu === undefined) return undefined;
      return { at: Date.now(), cgroup, system, interfaces: this.#interfacesOf(container) };
    } catch {
      // It has ended, which its state will say in a moment.
      return undefined;
    }
  }

  /** The interfaces that the engine gave to the container, or to the one whose network it shares. */
  #interfacesOf(container: Container): InterfaceCounters[] {
    const mode = networkMode(container.hostConfig.networkMode);
    const owner = mode.kind === 'container' ? this.#parts.set.find(mode.ref) : container;
    const names = new Set((owner?.endpoints ?? []).map((endpoint) => endpoint.interfaceName));
    names.delete('');
    if (names.size === 0) return [];
    return this.#parts.interfaces(container.state.pid).filter(({ name }) => names.has(name));
  }
}
