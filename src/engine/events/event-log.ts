import type { Logger } from '../../base/log.ts';
import type { EngineEvent, EventBus } from './events.ts';

/** How many events are remembered, as in dockerd. */
const REMEMBERED = 256;

/** The event bus of one daemon: what it remembers ends with its life. */
export class EventLog implements EventBus {
  readonly #listeners = new Set<(event: EngineEvent) => void>();
  readonly #now: () => bigint;
  readonly #log: Logger;
  /** What is kept back, by container. */
  readonly #held = new Map<string, Array<Omit<EngineEvent, 'timeNano'>>>();
  /** A ring; `#next` is the place of the next event, and of the oldest once the ring is full. */
  readonly #ring: EngineEvent[] = [];
  #next = 0;
  #last = 0n;

  /** `now` gives nanoseconds since the epoch. */
  constructor(log: Logger, now: () => bigint = wallClock) {
    this.#log = log;
    this.#now = now;
  }

  /** Number of live subscribers. */
  get listenerCount(): number {
    return this.#listeners.size;
  }

  emit(event: Omit<EngineEvent, 'timeNano'>): void {
    const held = this.#held.get(event.attributes.container ?? '');
    if (held) held.push(event);
    else this.#tell(event);
  }

  hold(container: string): () => void {
    const held = this.#held.get(container) ?? [];
    this.#held.set(container, held);
    return () => {
      if (this.#held.get(container) === held) this.#held.delete(container);
      for (const event of held.splice(0)) this.#tell(event);
    };
  }

  #tell(event: Omit<EngineEvent, 'timeNano'>): void {
    // Times never go back nor repeat: a client that reconnects with the last one's time misses nothing.
    const now = this.#now();
    this.#last = now > this.#last ? now : this.#last + 1n;
    const stamped: EngineEvent = { ...event, timeNano: this.#last };
    this.#ring[this.#next] = stamped;
    this.#next = (this.#next + 1) % REMEMBERED;
    for (const listener of [...this.#listeners]) {
      try {
        listener(stamped);
      } catch (error) {
        this.#log.warn('a listener for events failed', { error, action: event.action });
      }
    }
  }

  subscribe(since: bigint | undefined, listener: (event: EngineEvent) => void): () => void {
    if (since !== undefined) {
      for (const event of this.#remembered()) if (event.timeNano >= since) listener(event);
    }
    this.#listeners.add(listener);
    return () => {
      this.#listeners.delete(listener);
    };
  }

  /** Oldest first. */
  #remembered(): EngineEvent[] {
    if (this.#ring.length < REMEMBERED) return [...this.#ring];
    return [...this.#ring.slice(this.#next), ...this.#ring.slice(0, this.#next)];
  }
}

/** Wall time with the monotonic clock's resolution: the same millisecond holds many events. */
function wallClock(): bigint {
  const millis = performance.timeOrigin + performance.now();
  const drift = Date.now() - millis;
  // performance.timeOrigin stays when the wall clock is set; Date.now() follows it.
  const corrected = Math.abs(drift) > 2 ? Date.now() : millis;
  return BigInt(Math.floor(corrected * 1000)) * 1000n;
}
