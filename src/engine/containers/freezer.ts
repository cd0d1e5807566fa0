import { TareError } from '../../base/errors.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { EventBus } from '../events/events.ts';
import { containerEvent } from './container-event.ts';
import type { ContainerSet } from './container-set.ts';
import { transition } from './lifecycle.ts';

/** What freezing containers takes. */
export interface FreezerParts {
  readonly set: ContainerSet;
  readonly runtime: Pick<Runtime, 'pause' | 'resume'>;
  readonly events: EventBus;
}

/** Freezes a running container; the caller holds its lock. Throws `conflict` in Docker's words. */
export async function pauseContainer(parts: FreezerParts, id: string): Promise<void> {
  const { set, runtime, events } = parts;
  const container = set.get(id);
  if (container.state.status === 'paused') {
    throw new TareError('conflict', `container ${id} is already paused`);
  }
  if (container.state.status !== 'running') {
    throw new TareError('conflict', `container ${id} is not running`);
  }
  await runtime.pause(id);
  // Looked at anew: it may have ended meanwhile.
  const state = transition(set.get(id).state, { type: 'paused' });
  events.emit(containerEvent(set.update(id, { state }), 'pause'));
}

/** Thaws a paused container; the caller holds its lock. Throws `conflict` in Docker's words. */
export async function unpauseContainer(parts: FreezerParts, id: string): Promise<void> {
  const { set, runtime, events } = parts;
  const container = set.get(id);
  if (container.state.status !== 'paused') {
    throw new TareError('conflict', `container ${id} is not paused`);
  }
  await runtime.resume(id);
  const state = transition(set.get(id).state, { type: 'unpaused' });
  events.emit(containerEvent(set.update(id, { state }), 'unpause'));
}
