import { readFileSync, writeFileSync } from 'node:fs';
import { isAlive } from './lifecycle.ts';
import type { Container } from './model.ts';
import type { ContainerPaths } from './paths.ts';

/**
 * Writes a starting container's address into /etc/hosts of the running containers that have a legacy link to it: it
 * may have another one than at its last start. In place, because the file is mounted into them.
 */
export function updateParents(
  child: Container,
  connection: Pick<Container, 'endpoints'>,
  all: readonly Container[],
  paths: Pick<ContainerPaths, 'hosts'>,
): void {
  const address = connection.endpoints
    .find(({ networkName }) => networkName === 'bridge')
    ?.ipv4.replace(/\/\d+$/, '');
  if (!address) return;
  for (const parent of all) {
    if (!isAlive(parent.state)) continue;
    for (const link of parent.hostConfig.links) {
      const [id, alias = ''] = link.split(':');
      if (id !== child.id) continue;
      const path = paths.hosts(parent.id);
      const before = readFileSync(path, 'utf8');
      const after = withAddress(before, alias, address);
      if (after !== before) writeFileSync(path, after);
    }
  }
}

/** The file with another address in the line whose first name is `alias`. */
export function withAddress(hosts: string, alias: string, address: string): string {
  return hosts
    .split('\n')
    .map((line) =>
      line.split('\t')[1]?.split(' ')[0] === alias ? `${address}\t${line.split('\t')[1]}` : line,
    )
    .join('\n');
}
