import type { EventBus } from '../events/events.ts';
import { containerEvent } from './container-event.ts';
import type { ContainerSet } from './container-set.ts';
import { isAlive } from './lifecycle.ts';
import type { ContainerState } from './model.ts';

/**
 * The kernel found no memory for a living container: the event comes now and for each time, as dockerd's does, and
 * `inspect` shows it, whether the container lives on or not. That it was told is in the state, so that the end tells
 * only what nobody has.
 */
export function tellOom(
  id: string,
  {
    set,
    events,
  }: { readonly set: Pick<ContainerSet, 'byId' | 'note'>; readonly events: Pick<EventBus, 'emit'> },
): void {
  const container = set.byId(id);
  if (!container || !isAlive(container.state)) return;
  // With the killer off it waits for memory, and nothing has been killed.
  const killed = container.hostConfig.resources.oomKillDisable !== true;
  const noted = killed && !container.state.oomKilled ? set.note(id, { oomKilled: true }) : container;
  events.emit(containerEvent(noted, 'oom'));
}

/** Whether the end of a container that was killed so has to tell it. `state`: while it ran. */
export function oomUntold({ oomKilled, startedAt, finishedAt }: ContainerState): boolean {
  // Noted with the end itself: a daemon died before it told.
  return !oomKilled || finishedAt >= startedAt;
}
