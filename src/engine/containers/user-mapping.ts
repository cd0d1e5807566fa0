import { TareError } from '../../base/errors.ts';
import type { IdRange } from '../../kernel/user-namespace.ts';
import type { Container, HostConfig } from './model.ts';

/** How ids of a container are ids of the host. */
export interface UserMapping {
  readonly uids: readonly IdRange[];
  readonly gids: readonly IdRange[];
}

/**
 * The mapping of a container's user namespace; undefined: it is in the host's. `remap` is the daemon's
 * (`--userns-remap`), which `--userns=host` opts out of.
 */
export function mappingOf(
  { hostConfig }: Pick<Container, 'hostConfig'>,
  remap: UserMapping | undefined,
): UserMapping | undefined {
  return hostConfig.usernsMode === 'host' ? undefined : remap;
}

/** Refuses what a container in a user namespace of its own cannot have, in dockerd's words. */
export function checkMapped(host: HostConfig): void {
  const fail = (why: string): TareError => new TareError('invalid', why);
  if (host.privileged) {
    throw fail(
      'privileged mode is incompatible with user namespaces.  You must run the container in the host namespace when running privileged mode',
    );
  }
  if (host.networkMode === 'host') {
    throw fail("cannot share the host's network namespace when user namespaces are enabled");
  }
  if (host.pidMode === 'host') {
    throw fail('cannot share the host PID namespace when user namespaces are enabled');
  }
}
