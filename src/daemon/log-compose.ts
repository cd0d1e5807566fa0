import type { Logger } from '../base/log.ts';
import type { ContainerSet } from '../engine/containers/container-set.ts';
import { isAlive } from '../engine/containers/lifecycle.ts';
import { LogKeeper } from '../engine/containers/logging/log-keeper.ts';
import { LogShippers } from '../engine/containers/logging/log-shippers.ts';
import type { ContainerPaths } from '../engine/containers/paths.ts';
import type { Waiters } from '../engine/containers/waiters.ts';
import type { EventBus } from '../engine/events/events.ts';
import { Inotify, Watch } from '../kernel/inotify.ts';
import { compressRotated } from '../runtime/log/compress.ts';
import { rotateLog } from '../runtime/log/rotate.ts';
import type { Runtime } from '../runtime/runtime.ts';
import type { DaemonConfig } from './config.ts';

/** Where the machine's own syslog listens, as srslog looks for it. */
const SYSLOG_SOCKETS = ['/dev/log', '/var/run/syslog', '/var/run/log'];

/** What the services of logs stand on. */
export interface LogComposition {
  readonly config: Pick<DaemonConfig, 'journaldSocket'>;
  readonly set: ContainerSet;
  readonly paths: ContainerPaths;
  readonly runtime: Pick<Runtime, 'reopenLog'>;
  readonly waiters: Waiters;
  readonly events: EventBus;
  readonly log: Logger;
}

/** Keeping logs small and sending them away, for each container from its start to its removal. */
export function composeLogs({ config, set, paths, runtime, waiters, events, log }: LogComposition) {
  const writes = new Inotify();
  const keeper = new LogKeeper({
    container: (id) => set.byId(id),
    onWrite: (path, listener) => writes.once(path, Watch.MODIFY, listener),
    path: (id) => paths.log(id),
    rotate: async (id, path, keep) => {
      rotateLog(path, keep);
      await runtime.reopenLog(id);
    },
    compress: compressRotated,
    log,
  });
  const shippers = new LogShippers({
    path: (id) => paths.log(id),
    waiters,
    sockets: { journald: config.journaldSocket, syslog: SYSLOG_SOCKETS },
    log,
  });
  events.subscribe(undefined, ({ type, action, id }) => {
    if (type !== 'container') return;
    const container = set.byId(id);
    if (action === 'die' || action === 'destroy') keeper.drop(id);
    if (action === 'destroy') shippers.stop(id);
    if (action !== 'start' || !container) return;
    keeper.keep(id);
    shippers.start(container);
  });
  return {
    shippers,
    /** Goes on with what the last daemon left. */
    resume(): void {
      for (const container of set.list()) {
        if (isAlive(container.state)) keeper.keep(container.id);
        shippers.start(container);
      }
    },
    close(): void {
      keeper.close();
      writes.close();
      shippers.close();
    },
  };
}
