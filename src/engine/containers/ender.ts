import { isKind, TareError } from '../../base/errors.ts';
import { settlesWithin } from '../../base/settles-within.ts';
import { parseSignal, signalName } from '../../base/signals.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { EventBus } from '../events/events.ts';
import { containerEvent } from './container-event.ts';
import type { ContainerSet } from './container-set.ts';
import type { Ending } from './death.ts';
import { transition } from './lifecycle.ts';
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
   * The signal, `timeout` seconds of grace (-1: for ever), SIGKILL; resolves after the end was handled. `ending` tells
   * whoever asks later why. Throws `internal` when the kernel does not let the process go.
   */
  async end(container: Container, ending: Omit<Ending, 'at' | 'outlived'>, timeout: number): Promise<void> {
    const { set, waiters, runtime } = this.#parts;
    const { id } = container;
    const { signal } = ending;
    const ended = waiters.next(id, 'exit');
    const asked: Ending = { ...ending, at: Date.now() };
    set.note(id, { ending: asked, ...(ending.cause === 'client' && { manuallyStopped: true }) });
    const kill = parseSignal('SIGKILL');
    await this.signal(container, signal, timeout !== 0);
    const inTime = signal !== kill && (timeout < 0 || (await settlesWithin(ended, timeout * 1000)));
    if (signal !== kill && !inTime) {
      if (set.byId(id)) set.note(id, { ending: { ...asked, outlived: timeout } });
      await this.signal(container, kill);
    }
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
    const { runtime, events } = this.#parts;
    try {
      if (patient) await untilReceptive(container, signal);
      await runtime.signal(container.id, signal);
    } catch (error) {
      if (!isKind(error, 'not-found')) throw error;
      return;
    }
    events.emit(containerEvent(container, 'kill', { signal: String(signal) }));
    await this.#wake(container, signal);
  }

  /** As in dockerd, a frozen container that is told to end is thawed: no signal reaches it before. */
  async #wake({ id, config }: Container, signal: number): Promise<void> {
    const { runtime, set, events } = this.#parts;
    if (set.byId(id)?.state.status !== 'paused') return;
    const stopSignal = config.stopSignal ? parseSignal(config.stopSignal) : signal;
    if (signal !== stopSignal && signalName(signal) !== 'SIGKILL') return;
    await runtime.resume(id);
    const now = set.byId(id);
    if (now?.state.status !== 'paused') return;
    events.emit(
      containerEvent(set.update(id, { state: transition(now.state, { type: 'unpaused' }) }), 'unpause'),
    );
  }
}
