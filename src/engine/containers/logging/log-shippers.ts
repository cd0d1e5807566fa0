import { messageOf, TareError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { settlesWithin } from '../../../base/settles-within.ts';
import { LogShipper } from '../../../runtime/log/ship/shipper.ts';
import { isAlive } from '../lifecycle.ts';
import type { Container } from '../model.ts';
import type { Waiters } from '../waiters.ts';
import { isShipped } from './driver-options.ts';
import { type LocalSockets, shippingOf } from './shipping.ts';

/** What sending logs takes. */
export interface LogShippersParts {
  readonly path: (id: string) => string;
  readonly waiters: Pick<Waiters, 'next'>;
  readonly sockets: LocalSockets;
  readonly log: Logger;
}

/** One shipper for each container whose log goes somewhere else, from its start until all of it is sent. */
export class LogShippers {
  readonly #parts: LogShippersParts;
  readonly #running = new Map<string, { shipper: LogShipper; done: Promise<void> }>();
  #closed = false;

  constructor(parts: LogShippersParts) {
    this.#parts = parts;
  }

  /** Throws `invalid` in Docker's words when this machine lacks what the container's driver needs. */
  check(container: Container): void {
    try {
      shippingOf(container, this.#parts.sockets)?.destination.close();
    } catch (error) {
      throw new TareError('invalid', `failed to initialize logging driver: ${messageOf(error)}`);
    }
  }

  /** Begins where the last one of this container came to. One that is still at work on an earlier run goes first. */
  start(container: Container): void {
    const { id } = container;
    if (this.#closed || !isShipped(container.hostConfig.logConfig.type)) return;
    this.#running.get(id)?.shipper.close();
    const { path, waiters, sockets, log } = this.#parts;
    try {
      const shipping = shippingOf(container, sockets);
      if (!shipping) return;
      const ended = isAlive(container.state) ? waiters.next(id, 'exit').catch(() => {}) : Promise.resolve();
      const shipper = new LogShipper({ path: path(id), ...shipping, log });
      const done = shipper.run(ended).finally(() => {
        if (this.#running.get(id)?.shipper === shipper) this.#running.delete(id);
      });
      this.#running.set(id, { shipper, done });
    } catch (error) {
      log.error('sending a log', { id, error: messageOf(error) });
    }
  }

  /** Resolves when all of an ended container's log is sent; at the latest after `patience` milliseconds. */
  async drain(id: string, patience: number): Promise<void> {
    const running = this.#running.get(id);
    if (running) await settlesWithin(running.done, patience);
  }

  /** The container is gone, and its log with it. */
  stop(id: string): void {
    this.#running.get(id)?.shipper.close();
    this.#running.delete(id);
  }

  /** Stops all; what is not sent yet waits for the next daemon. */
  close(): void {
    this.#closed = true;
    for (const { shipper } of this.#running.values()) shipper.close();
    this.#running.clear();
  }
}
