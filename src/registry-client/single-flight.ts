import { cancellation, throwIfCancelled } from '../base/cancellation.ts';
import { isKind } from '../base/errors.ts';

interface Flight {
  readonly result: Promise<void>;
  readonly controller: AbortController;
  readonly listeners: Set<(current: number) => void>;
  passengers: number;
}

/** What a flight's work gets: its own signal, and where to tell how far it is. */
export type FlightWork = (signal: AbortSignal, progress: (current: number) => void) => Promise<void>;

/**
 * Work that several callers want at the same time is done once per key. A caller who gives up leaves the work
 * to the others; when the last one left, it is cancelled. A caller who only joined and sees it fail does the
 * work itself: the first one may have had other credentials, or another registry.
 */
export class SingleFlight {
  readonly #flights = new Map<string, Flight>();

  async run(
    key: string,
    signal: AbortSignal,
    listener: (current: number) => void,
    work: FlightWork,
  ): Promise<void> {
    for (;;) {
      throwIfCancelled(signal);
      const running = this.#flights.get(key);
      if (running === undefined) return this.#board(this.#start(key, work), signal, listener);
      try {
        return await this.#board(running, signal, listener);
      } catch (error) {
        if (signal.aborted || isKind(error, 'corrupt', 'exhausted')) throw error;
      }
    }
  }

  #start(key: string, work: FlightWork): Flight {
    const controller = new AbortController();
    const listeners = new Set<(current: number) => void>();
    const result = Promise.resolve()
      .then(() => work(controller.signal, (current) => listeners.forEach((listen) => void listen(current))))
      .finally(() => this.#flights.delete(key));
    const flight = { result, controller, listeners, passengers: 0 };
    this.#flights.set(key, flight);
    return flight;
  }

  async #board(flight: Flight, signal: AbortSignal, listener: (current: number) => void): Promise<void> {
    const { promise: left, reject } = Promise.withResolvers<never>();
    left.catch(() => {});
    const leave = () => reject(cancellation(signal));
    signal.addEventListener('abort', leave, { once: true });
    flight.listeners.add(listener);
    flight.passengers++;
    try {
      await Promise.race([flight.result, left]);
    } finally {
      signal.removeEventListener('abort', leave);
      flight.listeners.delete(listener);
      if (--flight.passengers === 0) {
        flight.controller.abort(signal.reason);
        // The last one out waits until the work has let go of its files.
        await flight.result.catch(() => {});
      }
    }
  }
}
