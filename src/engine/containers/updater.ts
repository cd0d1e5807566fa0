import { TareError, wrapError } from '../../base/errors.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { MachineFacts } from '../../runtime/spec/input.ts';
import { adaptResources, NO_KILLER_NO_LIMIT } from '../../runtime/spec/resources.ts';
import type { EventBus } from '../events/events.ts';
import { checkResources } from './check-resources.ts';
import { containerEvent } from './container-event.ts';
import type { ContainerSet } from './container-set.ts';
import { isAlive } from './lifecycle.ts';
import { givenLimits, limitChanges, mergeLimits, NO_RESOURCES } from './limit-update.ts';
import type { Container, HostConfig, Resources } from './model.ts';
import type { ContainerPaths } from './paths.ts';
import type { PortChange } from './port-changes.ts';
import { checkRestartPolicy } from './restart-policy.ts';
import { forgetUpdate, noteUpdate } from './update-note.ts';

/** What changing containers takes. */
export interface UpdaterParts {
  readonly set: ContainerSet;
  readonly runtime: Pick<Runtime, 'setLimits'>;
  readonly machine: MachineFacts;
  readonly paths: ContainerPaths;
  readonly events: EventBus;
}

/** What a request says: members that are zero, empty or null are left as they are. */
export interface ContainerChange {
  readonly resources?: Resources;
  readonly restartPolicy?: HostConfig['restartPolicy'];
  /** Beyond Docker. */
  readonly ports?: PortChange;
}

/**
 * Changes limits and restart policy. The caller holds the container's lock. Limits of a living container count when
 * they were read back from its cgroup; only then are they stored. Throws `invalid` and `conflict` in Docker's words,
 * and what `Runtime.setLimits` throws; the container then is as before.
 */
export function updateContainer(
  { set, runtime, machine, paths, events }: UpdaterParts,
  id: string,
  change: ContainerChange,
): { warnings: string[] } {
  const container = set.get(id);
  const { given, warnings } = checkedLimits(change.resources, container, machine);
  try {
    const restartPolicy = checkedPolicy(container, change.restartPolicy);
    const before = container.hostConfig.resources;
    const resources = mergeLimits(before, given);
    const limits = limitChanges(before, resources, machine);
    const alive = Object.keys(given).length > 0 && isAlive(container.state);
    if (alive) {
      noteUpdate(paths, id, { limits, resources });
      runtime.setLimits(id, limits);
    }
    try {
      set.update(id, { hostConfig: { ...container.hostConfig, resources, restartPolicy } });
    } catch (error) {
      // What is not stored does not hold: a restart would bring the former limits.
      if (alive) runtime.setLimits(id, limitChanges(resources, before, machine));
      throw error;
    }
  } catch (error) {
    throw wrapError(error, `Cannot update container ${id}`);
  } finally {
    forgetUpdate(paths, id);
  }
  events.emit(containerEvent(set.get(id), 'update'));
  return { warnings };
}

function checkedLimits(
  request: Resources | undefined,
  { hostConfig }: Container,
  machine: MachineFacts,
): { given: Partial<Resources>; warnings: string[] } {
  if (!request) return { given: {}, warnings: [] };
  const alone = { ...NO_RESOURCES, ...givenLimits(request) };
  checkResources(alone, true);
  const adapted = adaptResources(alone, machine.cgroups);
  const given = givenLimits(adapted.resources);
  // The default for new containers, twice the memory, is not asked for here.
  if (alone.memorySwap === 0 && (given.memorySwap ?? 0) > 0) delete given.memorySwap;
  // That warning is of containers without a limit; the request alone need not name one.
  const limited = hostConfig.resources.memory > 0 && alone.memory === 0;
  const warnings = adapted.warnings.filter((text) => !(limited && text === NO_KILLER_NO_LIMIT));
  return { given, warnings };
}

function checkedPolicy(
  { hostConfig }: Container,
  asked: ContainerChange['restartPolicy'],
): HostConfig['restartPolicy'] {
  if (!asked || asked.name === '') return hostConfig.restartPolicy;
  if (hostConfig.autoRemove && asked.name !== 'no') {
    throw new TareError(
      'conflict',
      'Restart policy cannot be updated because AutoRemove is enabled for the container',
    );
  }
  checkRestartPolicy(asked, false);
  return asked;
}
