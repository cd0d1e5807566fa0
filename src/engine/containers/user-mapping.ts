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
 * (`--userns-remap`), which `--userns=host` opts out of; that of `keep-id` is the container's own.
 */
export function mappingOf(
  { hostConfig, mapping }: Pick<Container, 'hostConfig' | 'mapping'>,
  remap: UserMapping | undefined,
): UserMapping | undefined {
  if (hostConfig.usernsMode === 'host') return undefined;
  return hostConfig.usernsMode === '' ? remap : mapping;
}

/** `--userns keep-id:uid=UID,gid=GID`, beyond Docker: this user of the host is the same inside. undefined: another mode. */
export function keptUser(mode: string): { readonly uid: number; readonly gid: number } | undefined {
  const match = /^keep-id:uid=(\d{1,9}),gid=(\d{1,9})$/.exec(mode);
  return match ? { uid: Number(match[1]), gid: Number(match[2]) } : undefined;
}

/** Maps in which `id` is itself, and the ids around it are subordinate ones (those of `ranges`, in their order). */
export function aroundKept(id: number, ranges: readonly IdRange[]): IdRange[] {
  const result: IdRange[] = [{ inside: id, outside: id, count: 1 }];
  let position = 0;
  for (const { outside, count } of ranges) {
    // From the kept id on, all others move up by one.
    const below = Math.min(Math.max(id - position, 0), count);
    if (below > 0) result.push({ inside: position, outside, count: below });
    if (below < count) {
      result.push({ inside: position + below + 1, outside: outside + below, count: count - below });
    }
    position += count;
  }
  return result;
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
