import type { HostConfig, PortBinding, PublishedPort } from './model.ts';
import { parseHostPorts, parsePort } from './port-requests.ts';

/** A binding as asked for, and what it is published at now. */
export interface LiveBinding {
  /** `80/tcp`. */
  readonly key: string;
  readonly binding: PortBinding;
  readonly ports: readonly PublishedPort[];
}

/** How many choices of a host port a binding leaves: those with fewer choose first. */
function freedom(binding: PortBinding): number {
  const { first, last } = parseHostPorts(binding.hostPort);
  return first === 0 ? Number.POSITIVE_INFINITY : last - first;
}

/** True when a port published at that address can be of a binding to this one; empty: the network's default. */
const isAt = (asked: string, hostIp: string): boolean => asked === '' || asked === hostIp;

function isWithin(asked: string, hostPort: number): boolean {
  const { first, last } = parseHostPorts(asked);
  return first === 0 || (hostPort >= first && hostPort <= last);
}

/** `80` and `80/TCP` as `80/tcp`. Throws as `parsePort`. */
export function portKey(text: string): string {
  const { port, protocol } = parsePort(text);
  return `${port}/${protocol}`;
}

/**
 * Which of a container's published ports is there for which of its bindings. Pure. A port of no binding (`-P`) is in
 * `rest`.
 */
export function matchBindings(
  bindings: HostConfig['portBindings'],
  ports: readonly PublishedPort[],
): { live: LiveBinding[]; rest: PublishedPort[] } {
  const rest = [...ports];
  const asked = Object.entries(bindings).flatMap(([key, list]) =>
    list.map((binding) => ({ key: portKey(key), binding })),
  );
  const found = new Map<PortBinding, PublishedPort[]>();
  for (const { key, binding } of asked.toSorted((a, b) => freedom(a.binding) - freedom(b.binding))) {
    const fits = (port: PublishedPort): boolean =>
      `${port.containerPort}/${port.protocol}` === key &&
      isAt(binding.hostIp, port.hostIp) &&
      isWithin(binding.hostPort, port.hostPort);
    const one = rest.find(fits);
    const mine = one ? rest.filter((port) => fits(port) && port.hostPort === one.hostPort) : [];
    for (const port of mine) rest.splice(rest.indexOf(port), 1);
    found.set(binding, mine);
  }
  return {
    live: asked.map(({ key, binding }) => ({ key, binding, ports: found.get(binding) ?? [] })),
    rest,
  };
}

/**
 * True when somebody who names that address and host port means this binding: as it was asked for, or as it is
 * published now. An empty address or host port means any.
 */
export function isMeant(named: PortBinding, { binding, ports }: LiveBinding): boolean {
  if (named.hostPort === '' && named.hostIp === '') return true;
  const asAsked =
    (named.hostIp === '' || named.hostIp === binding.hostIp) &&
    (named.hostPort === '' || named.hostPort === binding.hostPort);
  return (
    asAsked ||
    ports.some(
      (port) =>
        isAt(named.hostIp, port.hostIp) &&
        (named.hostPort === '' || named.hostPort === String(port.hostPort)),
    )
  );
}
