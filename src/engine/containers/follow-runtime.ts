import type { Logger } from '../../base/log.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import type { EventBus } from '../events/events.ts';
import type { ContainerSet } from './container-set.ts';
import type { ExecSet } from './exec-set.ts';
import type { Container } from './model.ts';
import { tellOom } from './oom-event.ts';
import type { Supervisor } from './supervisor.ts';

/** Brings the runtime's news to those who act on it. */
export function followRuntime(
  runtime: Pick<Runtime, 'onExit' | 'onMonitorLost' | 'onOutOfMemory'>,
  to: {
    readonly execs: Pick<ExecSet, 'handleExit'>;
    readonly supervisor: Pick<Supervisor, 'handleExit' | 'endBecause'>;
    readonly set: Pick<ContainerSet, 'byId' | 'note'>;
    readonly events: Pick<EventBus, 'emit'>;
    readonly log: Logger;
  },
): void {
  const { execs, supervisor, log } = to;
  runtime.onExit((exit) => {
    if (exit.execId !== undefined) execs.handleExit(exit);
    else {
      supervisor
        .handleExit(exit)
        .catch((error) => log.error('the end of a container', { id: exit.id, error }));
    }
  });
  runtime.onOutOfMemory((id) => tellOom(id, to));
  // Nobody holds its stdio any more: what it writes next would kill it at any odd moment.
  runtime.onMonitorLost((id) => {
    log.error('conmon was killed: ending its container', { id });
    supervisor.endBecause(id, 'monitor').catch((error) => log.error('ending a container', { id, error }));
  });
}

/** What happens to a container that has become unhealthy: with `--restart-unhealthy` it is started again. */
export function restartUnhealthy(to: {
  readonly supervisor: Pick<Supervisor, 'endBecause'>;
  readonly log: Logger;
}): (container: Container) => void {
  return ({ id, hostConfig }) => {
    if (!hostConfig.restartUnhealthy) return;
    to.supervisor.endBecause(id, 'health').catch((error) => {
      to.log.error('ending an unhealthy container', { id, error });
    });
  };
}
