import { isKind, messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { ContainerSet } from './container-set.ts';
import { isAlive, transition } from './lifecycle.ts';
import type { Container } from './model.ts';
import { shouldRestart } from './restart-policy.ts';
import { RestartTimers } from './restart-timers.ts';

/** What restarting by policy takes. */
export interface RestarterParts {
  readonly set: ContainerSet;
  readonly log: Logger;
}

/** Starts containers again that ended, as their policies have it, each time after a longer wait. */
export class Restarter {
  readonly #parts: RestarterParts;
  readonly #start: (id: string) => Promise<void>;
  readonly #timers = new RestartTimers();
  #closed = false;

  constructor(parts: RestarterParts, start: (id: string) => Promise<void>) {
    this.#parts = parts;
    this.#start = start;
  }

  /** Whether a container that has just ended will be started again. */
  wants({ hostConfig, state }: Container, exitCode: number): boolean {
    if (this.#closed || state.manuallyStopped) return false;
    if (state.ending?.cause === 'health') return true;
    return shouldRestart(hostConfig.restartPolicy, state, exitCode);
  }

  /** A start under way takes the place of the one that was waited for. */
  superseded(id: string): void {
    this.#timers.cancel(id);
  }

  /** The container ended for good: its next wait is a first one. */
  forget(id: string): void {
    this.#timers.forget(id);
  }

  /** Starts it after the wait that is due. `ranFor`: how long it ran, in milliseconds. */
  schedule({ id }: Container, ranFor: number): void {
    this.#timers.schedule(id, ranFor, () => {
      this.#start(id).catch((error) => {
        if (isKind(error, 'not-found', 'not-modified')) return;
        this.#parts.log.error('restart of a container', { id, error: messageOf(error) });
        this.#afterFailure(id);
      });
    });
  }

  /** A restart that fails counts as one more short run. */
  #afterFailure(id: string): void {
    const container = this.#parts.set.byId(id);
    if (!container || this.#closed || container.state.manuallyStopped || isAlive(container.state)) return;
    if (!shouldRestart(container.hostConfig.restartPolicy, container.state, container.state.exitCode)) return;
    const waiting = this.#parts.set.updateState(id, {
      status: 'restarting',
      restartCount: container.state.restartCount + 1,
    });
    this.schedule(waiting, 0);
  }

  /** Stops waiting for a restart. The container is then exited. */
  cancel(id: string): void {
    this.#timers.forget(id);
    const container = this.#parts.set.byId(id);
    if (container?.state.status !== 'restarting') return;
    this.#parts.set.update(id, { state: transition(container.state, { type: 'restart-cancelled' }) });
  }

  /** No more restarts. */
  close(): void {
    this.#closed = true;
    this.#timers.close();
  }
}
