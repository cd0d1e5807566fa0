import { existsSync } from 'node:fs';

/**
 * Programs that can be a container's `--init`, best first: static ones, because the container's own libraries are
 * not the host's. Debian's package tini has tini-static; docker.io and Docker's own packages bring docker-init.
 */
const CANDIDATES = [
  '/usr/bin/tini-static',
  '/usr/libexec/docker/docker-init',
  '/usr/bin/docker-init',
  '/usr/bin/catatonit',
  '/usr/libexec/podman/catatonit',
];

/** Path of the init program on this host, or undefined when none is installed. */
export function findInitProgram(): string | undefined {
  return CANDIDATES.find((path) => existsSync(path));
}
