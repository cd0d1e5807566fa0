import { TareError } from '../../base/errors.ts';
import { isAlive } from './lifecycle.ts';
import { linkEnvironment } from './link-environment.ts';
import type { Container, HostConfig } from './model.ts';

/**
 * Legacy links (`--link NAME[:ALIAS]`) of containers on the default bridge: the linked container's name in
 * /etc/hosts and its ports and variables in the environment. A link is kept as `ID:ALIAS` in `hostConfig.links`, so
 * it follows a renamed container; one whose container was removed is no link any more.
 */
export interface Link {
  readonly child: Container;
  readonly alias: string;
}

type Find = (ref: string) => Container | undefined;

/** Whether links are the legacy ones; other networks know their containers' names by themselves. */
function usesDefaultBridge(host: HostConfig): boolean {
  return ['', 'default', 'bridge'].includes(host.networkMode);
}

/** The links of a create request as they are kept. Throws `invalid` in dockerd's words. */
export function resolveLinks(host: HostConfig, find: Find): string[] {
  if (!usesDefaultBridge(host)) return host.links;
  return host.links.map((link) => {
    const [ref = '', alias = ref] = link.split(':');
    const child = find(ref);
    if (!child)
      throw new TareError('invalid', `could not get container for ${ref}: No such container: ${ref}`);
    if (child.hostConfig.networkMode === 'host') {
      throw new TareError(
        'invalid',
        "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
      );
    }
    return `${child.id}:${alias.replace(/^\//, '')}`;
  });
}

/** A container's legacy links whose containers are still there. */
export function linksOf(container: Container, find: Find): Link[] {
  const { hostConfig } = container;
  if (!usesDefaultBridge(hostConfig)) return [];
  return hostConfig.links.flatMap((link) => {
    const [id = '', alias = id] = link.split(':');
    const child = find(id);
    return child ? [{ child, alias }] : [];
  });
}

/** What a container's process is told of its links. */
export interface LinkFacts {
  /** Lines for /etc/hosts. */
  readonly hosts: ReadonlyArray<{ readonly address: string; readonly names: string }>;
  readonly env: readonly string[];
}

/**
 * What a start takes from the links. One that does not run makes it throw `invalid`, in dockerd's words; with
 * `running only` it is left out.
 */
export function linkFacts(
  container: Container,
  find: Find,
  which: 'all' | 'running only' = 'all',
): LinkFacts {
  const hosts: Array<{ address: string; names: string }> = [];
  const env: string[] = [];
  for (const { child, alias } of linksOf(container, find)) {
    const name = `/${container.name}/${alias}`;
    if (!isAlive(child.state)) {
      if (which === 'running only') continue;
      throw new TareError('invalid', `Cannot link to a non running container: /${child.name} AS ${name}`);
    }
    const address = child.endpoints.find((one) => one.networkName === 'bridge')?.ipv4.replace(/\/\d+$/, '');
    if (!address) {
      throw new TareError(
        'invalid',
        `Cannot link to /${child.name}, as it does not belong to the default network`,
      );
    }
    const names = [alias, child.config.hostname, ...(alias === child.name ? [] : [child.name])].join(' ');
    hosts.push({ address, names });
    env.push(
      ...linkEnvironment({
        name,
        address,
        env: child.config.env,
        exposedPorts: Object.keys(child.config.exposedPorts),
      }),
    );
  }
  return { hosts, env };
}

/** The container with its links as `inspect` shows them: `/CHILD:/PARENT/ALIAS`. */
export function withShownLinks(container: Container, find: Find): Container {
  const { hostConfig } = container;
  if (hostConfig.links.length === 0 || !usesDefaultBridge(hostConfig)) return container;
  const links = linksOf(container, find).map(
    ({ child, alias }) => `/${child.name}:/${container.name}/${alias}`,
  );
  return { ...container, hostConfig: { ...hostConfig, links } };
}

/** Containers with the names that links give them (`PARENT/ALIAS`), as `ps --no-trunc` shows them. */
export function withLinkNames(containers: Container[]): Container[] {
  const names = new Map<string, string[]>();
  for (const parent of containers) {
    if (!usesDefaultBridge(parent.hostConfig)) continue;
    for (const link of parent.hostConfig.links) {
      const [id = '', alias = ''] = link.split(':');
      names.set(id, [...(names.get(id) ?? []), `${parent.name}/${alias}`]);
    }
  }
  if (names.size === 0) return containers;
  return containers.map((container) => {
    const linkNames = names.get(container.id);
    return linkNames ? { ...container, linkNames } : container;
  });
}

/** What `rm --link PARENT/ALIAS` leaves of the parent's links. Throws in dockerd's words. */
export function linkToRemove(ref: string, find: Find): { parent: Container; rest: string[] } {
  const bare = ref.replace(/^\//, '');
  const slash = bare.lastIndexOf('/');
  if (slash < 0) {
    throw new TareError('conflict', 'Conflict, cannot remove the default link name of the container');
  }
  const [parentName, alias] = [bare.slice(0, slash), bare.slice(slash + 1)];
  const parent = find(parentName);
  if (!parent) throw new TareError('not-found', `Cannot get parent /${parentName} for link name /${bare}`);
  const rest = parent.hostConfig.links.filter((link) => !link.endsWith(`:${alias}`));
  return { parent, rest };
}
