import { TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { NetworkService } from '../networks/networks.ts';
import type { ContainerSet } from './container-set.ts';
import { publishingEndpoint } from './endpoints.ts';
import { isAlive } from './lifecycle.ts';
import type { Container, HostConfig, PublishedPort } from './model.ts';
import { networkMode } from './modes.ts';
import { isMeant, type LiveBinding, matchBindings, portKey } from './port-matching.ts';
import { publicationsOf } from './port-requests.ts';

/** Published ports to take away from a container and to add to it; `80/tcp` → bindings. */
export interface PortChange {
  readonly add: HostConfig['portBindings'];
  /** An entry without bindings: all of that port. */
  readonly remove: HostConfig['portBindings'];
}

/** What changing published ports takes. */
export interface PortChangesParts {
  readonly set: ContainerSet;
  readonly networks: Pick<NetworkService, 'publish' | 'unpublish'>;
  readonly log: Logger;
}

/** True when the change changes nothing. */
export function isNoPortChange({ add, remove }: PortChange): boolean {
  return Object.keys(add).length === 0 && Object.keys(remove).length === 0;
}

/**
 * Changes which ports are published, of a running container at once. The caller holds the container's lock. First
 * the kernel, then the row: a daemon that dies in between makes the rules by the row, so all is as before. Returns
 * what takes the change back. Throws `conflict` in Docker's words when a port is taken, `not-found` for a port to
 * remove that is not published, `invalid`; the container then is as before.
 */
export async function changePorts(
  { set, networks, log }: PortChangesParts,
  id: string,
  change: PortChange,
): Promise<() => Promise<void>> {
  const before = set.get(id);
  checkMode(before);
  const { hostConfig, removed } = plan(before, change);
  const config = { ...before.config, exposedPorts: {} };
  const added = publicationsOf(config, { ...before.hostConfig, portBindings: change.add });
  const endpoint = isAlive(before.state) ? publishingEndpoint(before.endpoints) : undefined;
  const swap = async (
    out: readonly PublishedPort[],
    into: Parameters<typeof networks.publish>[2],
  ): Promise<PublishedPort[]> => {
    if (!endpoint) return [];
    if (out.length > 0) await networks.unpublish(endpoint, id, out);
    try {
      return into.length > 0 ? await networks.publish(endpoint, id, into) : [];
    } catch (error) {
      // Nothing but a program that was quick can have taken them meanwhile.
      await networks.publish(endpoint, id, exactly(out)).catch((failure: unknown) => {
        log.error('a port could not be published again', { id, error: failure });
      });
      throw error;
    }
  };
  const ports = await swap(removed, added);
  const rest = before.ports.filter((port) => !removed.includes(port));
  try {
    set.update(id, { hostConfig, ports: [...rest, ...ports] });
  } catch (error) {
    await swap(ports, exactly(removed));
    throw error;
  }
  return async () => {
    await swap(ports, exactly(removed));
    set.update(id, {
      hostConfig: { ...set.get(id).hostConfig, ...portsOf(before.hostConfig) },
      ports: before.ports,
    });
  };
}

const portsOf = ({ portBindings, publishAllPorts }: HostConfig) => ({ portBindings, publishAllPorts });

const exactly = (ports: readonly PublishedPort[]) =>
  ports.map((port) => ({ ...port, hostPortEnd: port.hostPort }));

function checkMode({ hostConfig, name }: Container): void {
  const mode = networkMode(hostConfig.networkMode);
  if (mode.kind === 'container') {
    throw new TareError(
      'conflict',
      `conflicting options: port publishing and the container type network mode: publish the ports of container ${mode.ref} instead`,
    );
  }
  if (mode.word === 'host') {
    throw new TareError(
      'conflict',
      `container ${name} uses the host's network: its ports are the host's, there is nothing to publish`,
    );
  }
}

/** The configuration after the change, and the live ports that go. */
function plan(
  container: Container,
  { add, remove }: PortChange,
): { hostConfig: HostConfig; removed: PublishedPort[] } {
  const { live, rest } = matchBindings(container.hostConfig.portBindings, container.ports);
  const gone = new Set<LiveBinding>();
  const removed: PublishedPort[] = [];
  const all = new Set<string>();
  for (const [text, named] of Object.entries(remove)) {
    const key = portKey(text);
    for (const one of named.length === 0 ? [{ hostIp: '', hostPort: '' }] : named) {
      const meant = live.filter((entry) => entry.key === key && !gone.has(entry) && isMeant(one, entry));
      const loose = rest.filter(
        (port) =>
          `${port.containerPort}/${port.protocol}` === key &&
          isMeant(one, { key, binding: { hostIp: port.hostIp, hostPort: '' }, ports: [port] }),
      );
      if (meant.length === 0 && loose.length === 0) throw notPublished(container, key, one);
      for (const entry of meant) gone.add(entry);
      removed.push(...meant.flatMap(({ ports }) => ports), ...loose);
      if (loose.length > 0) all.add(key);
    }
  }
  const bindings: HostConfig['portBindings'] = {};
  for (const { key, binding } of live.filter((entry) => !gone.has(entry))) {
    bindings[key] = [...(bindings[key] ?? []), binding];
  }
  for (const [text, list] of Object.entries(add)) {
    const key = portKey(text);
    for (const binding of list.length === 0 ? [{ hostIp: '', hostPort: '' }] : list) {
      bindings[key] = [...(bindings[key] ?? []), binding];
    }
  }
  const { publishAllPorts } = container.hostConfig;
  if (all.size === 0) return { hostConfig: { ...container.hostConfig, portBindings: bindings }, removed };
  // All but that one from now on.
  for (const text of Object.keys(container.config.exposedPorts)) {
    const key = portKey(text);
    if (publishAllPorts && !all.has(key)) bindings[key] ??= [{ hostIp: '', hostPort: '' }];
  }
  const hostConfig = { ...container.hostConfig, portBindings: bindings, publishAllPorts: false };
  return { hostConfig, removed };
}

function notPublished(
  { name }: Container,
  key: string,
  { hostIp, hostPort }: { hostIp: string; hostPort: string },
): TareError {
  const host = hostIp.includes(':') ? `[${hostIp}]` : hostIp;
  const at = hostIp || hostPort ? ` at ${host ? `${host}:` : ''}${hostPort || 'any host port'}` : '';
  return new TareError('not-found', `port ${key} of container ${name} is not published${at}`);
}
