import { rm } from 'node:fs/promises';
import { isKind, messageOf, TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { EventBus } from '../events/events.ts';
import type { VolumeService } from '../volumes/volumes.ts';
import { containerEvent } from './container-event.ts';
import type { ContainerSet } from './container-set.ts';
import type { RemoveOptions } from './containers.ts';
import type { ExecSet } from './exec-set.ts';
import { isAlive } from './lifecycle.ts';
import type { Container } from './model.ts';
import type { ContainerPaths } from './paths.ts';
import type { Supervisor } from './supervisor.ts';
import type { Waiters } from './waiters.ts';

/** What removing containers takes. */
export interface RemoverParts {
  readonly set: ContainerSet;
  readonly supervisor: Pick<Supervisor, 'exclusive' | 'kill' | 'cancelRestart'>;
  readonly snapshotter: Pick<Snapshotter, 'remove'>;
  readonly volumes: Pick<VolumeService, 'remove' | 'unclaim'>;
  readonly paths: ContainerPaths;
  readonly waiters: Waiters;
  readonly execs: Pick<ExecSet, 'forget'>;
  readonly events: EventBus;
  readonly log: Logger;
}

/** Removes containers and what is theirs. */
export class ContainerRemover {
  readonly #parts: RemoverParts;

  constructor(parts: RemoverParts) {
    this.#parts = parts;
  }

  /** Throws `conflict` in Docker's words when it runs and `force` is not set. */
  async remove(id: string, options: Omit<RemoveOptions, 'link'>): Promise<void> {
    const { set, supervisor } = this.#parts;
    const before = set.get(id);
    if (!options.force && (isAlive(before.state) || before.state.status === 'restarting')) {
      const { status } = before.state;
      const hint = status === 'paused' ? 'unpause and stop' : 'stop';
      throw new TareError(
        'conflict',
        `cannot remove container "/${before.name}": container is ${status}: ${hint} the container before removing or force remove`,
      );
    }
    await supervisor.exclusive(id, async () => {
      if (options.force) {
        // Inside the lock, so that neither a start under way nor a restart policy comes in between.
        supervisor.cancelRestart(id);
        await supervisor.kill(id, 'remove', options.client);
      }
      const container = set.byId(id);
      if (!container) return;
      if (isAlive(container.state)) {
        throw new TareError('conflict', `container ${id} was started again while it was being removed`);
      }
      await this.#removeStopped(container, options.volumes);
    });
  }

  /** The row goes first, in one commit: whatever is left after a crash belongs to nobody and is swept at start. */
  async #removeStopped(container: Container, withVolumes: boolean): Promise<void> {
    const { set, execs, events, waiters, log } = this.#parts;
    const { id } = container;
    const own = container.mounts.filter(({ anonymous }) => anonymous).map(({ name }) => name);
    const forget = (): void => {
      if (!withVolumes) for (const name of own) this.#parts.volumes.unclaim(name);
      set.remove(id);
    };
    try {
      forget();
    } catch (error) {
      // On a full disk even a deletion needs room: make some first.
      if (!isKind(error, 'exhausted')) throw error;
      await this.#removeFiles(id);
      forget();
    }
    execs.forget(id);
    await this.#removeFiles(id);
    if (withVolumes) {
      for (const name of own) {
        await this.#parts.volumes.remove(name, true).catch((error) => {
          log.warn('removing an anonymous volume', { volume: name, error: messageOf(error) });
          this.#parts.volumes.unclaim(name);
        });
      }
    }
    events.emit(containerEvent(container, 'destroy'));
    waiters.notify(id, 'removed', { exitCode: container.state.exitCode });
  }

  async #removeFiles(id: string): Promise<void> {
    const { snapshotter, paths } = this.#parts;
    await Promise.all([
      snapshotter.remove(id),
      rm(paths.directory(id), { recursive: true, force: true }),
      rm(paths.bundle(id), { recursive: true, force: true }),
    ]);
  }
}
