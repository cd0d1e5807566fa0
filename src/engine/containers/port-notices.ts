import type { PortNotice } from '../../netdriver/netdriver.ts';
import type { EventBus } from '../events/events.ts';
import { containerEvent } from './container-event.ts';
import type { ContainerSet } from './container-set.ts';

/**
 * Notes on a container that another program took one of its published ports, or that the port is held for it again.
 * It goes on meanwhile: the rules lead there as before.
 */
export function notePort(
  { set, events }: { set: ContainerSet; events: EventBus },
  { containerId, publication, taken }: PortNotice,
): void {
  const container = set.byId(containerId);
  if (!container) return;
  const { protocol, containerPort, hostIp, hostPort } = publication;
  const ports = container.ports.map((port) => {
    const same =
      port.protocol === protocol &&
      port.containerPort === containerPort &&
      port.hostIp === hostIp &&
      port.hostPort === hostPort;
    if (!same || (port.taken ?? false) === taken) return port;
    const { taken: _, ...rest } = port;
    return taken ? { ...rest, taken } : rest;
  });
  if (ports.every((port, index) => port === container.ports[index])) return;
  const after = set.update(containerId, { ports });
  const host = hostIp.includes(':') ? `[${hostIp}]` : hostIp;
  events.emit(
    containerEvent(after, taken ? 'port-taken' : 'port-restored', {
      hostPort: `${host}:${hostPort}/${protocol}`,
      containerPort: String(containerPort),
    }),
  );
}
