import { isKind, TareError } from '../../base/errors.ts';
import { settlesWithin } from '../../base/settles-within.ts';
import { parseSignal, signalName } from '../../base/signals.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { EventBus } from '../events/events.ts';
import { containerEvent } from './container-event.ts';
import type { ContainerSet } from './container-set.ts';
import type { Container } from './model.ts';
import type { Waiters } from './waiters.ts';
import { untilReceptive } from './young-process.ts';

/** What ending containers takes. */
export interface EnderParts {
  readonly set: ContainerSet;
  readonly runtime: Pick<Runtime, 'signal' | 'resume' | 'pids'>;
  readonly waiters: Waiters;
  readonly events: EventBus;
}

/** How long a process may outlive SIGKILL before that is an error. Milliseconds. */
const KILL_PATIENCE = 30_000;

/** Sends signals to containers' first processes and waits for the end. */
export class Ender {
  readonly #parts: EnderParts;

  constructor(parts: EnderParts) {
    this.#parts = parts;
  }

  /**
   * The signal, `timeout` seconds of grace (-1: for ever), SIGKILL; resolves after the end was handled. Throws
   * `internal` when the kernel does not let the process go.
   */
  async end(container: Container, signal: number, timeout: number): Promise<void> {
    const { set, waiters, runtime } = this.#parts;
    const { id } = container;
    const ended = waiters.next(id, 'exit');
    set.updateState(id, { manuallyStopped: true });
    const kill = parseSignal('SIGKILL');
    await this.signal(container, signal, timeout !== 0);
    const inTime = signal !== kill && (timeout < 0 || (await settlesWithin(ended, timeout * 1000)));
    if (signal !== kill && !inTime) await this.signal(container, kill);
    // A process in uninterruptible sleep outlives SIGKILL: tell so instead of hanging for ever.
    if (!inTime && !(await settlesWithin(ended, KILL_PATIENCE))) {
      const pids = await runtime.pids(id).catch(() => []);
      throw new TareError(
        'internal',
        `container ${id} did not end within ${KILL_PATIENCE / 1000} s of SIGKILL (processes ${pids.join(' ')} hang in the kernel)`,
      );
    }
    await ended;
  }

  /** Sends a signal to the first process; `patient`: a young one is given time for its handlers. None is no error. */
  async signal(container: Container, signal: number, patient = true): Promise<void> {
    const { runtime, events, set } = this.#parts;
    try {
      if (patient) await untilReceptive(container, signal);
      await runtime.signal(container.id, signal);
    } catch (error) {
      if (!isKind(error, 'not-found')) throw error;
      return;
    }
    events.emit(containerEvent(container, 'kill', { signal: String(signal) }));
    // SIGKILL reaches a frozen process only after it is thawed (cgroup v1).
    if (set.byId(container.id)?.state.status === 'paused' && signalName(signal) === 'SIGKILL') {
      await runtime.resume(container.id);
    }
  }
}
