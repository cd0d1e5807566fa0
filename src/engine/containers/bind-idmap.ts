import { statSync } from 'node:fs';
import { TareError } from '../../base/errors.ts';
import { codeOf } from '../../kernel/errno.ts';
import { attachCopy } from '../../kernel/mount-tree.ts';
import { closeFd } from '../../kernel/namespaces.ts';
import { oneIdMoved, openUserNamespace } from '../../kernel/user-namespace.ts';
import { readUserDatabase, resolveUser } from '../../runtime/spec/user.ts';
import type { Container, MountPoint } from './model.ts';

/** `bind-idmap` without a value: the owner of the bind's source. */
export const SOURCE_OWNER = 'owner';

/** Checks the value of `bind-idmap`: `owner` or `UID:GID` of the host. */
export function isIdmap(text: string): boolean {
  return text === SOURCE_OWNER || /^\d{1,9}:\d{1,9}$/.test(text);
}

/**
 * Attaches a copy of a bind's source to `target` in which a user of the host and the container's user are one: what
 * the container's user writes belongs to the host's, and what is the host's belongs to the container's user. Other
 * owners are as they are. `rootfs`: where the container's root is mounted, for its user's number.
 */
export async function attachMapped(
  container: Container,
  point: MountPoint,
  target: string,
  rootfs: string,
): Promise<void> {
  const { user } = container.config;
  const inside = resolveUser(user, container.hostConfig.groupAdd, readUserDatabase(rootfs));
  const [uid, gid] = hostUser(point);
  const namespace = await openUserNamespace(oneIdMoved(uid, inside.uid), oneIdMoved(gid, inside.gid));
  try {
    attachCopy(point.source, target, {
      recursive: point.below !== 'left-out',
      readOnly: !point.readWrite && point.below === undefined,
      isolated: !/shared|slave/.test(point.propagation),
      userNamespace: namespace,
    });
  } catch (error) {
    if (codeOf(error) !== 'EINVAL' && codeOf(error) !== 'EPERM') throw error;
    throw new TareError(
      'not-implemented',
      `invalid mount config for type "bind": the file system of ${point.source} (or one that is mounted below it) cannot translate owners: leave bind-idmap away, or use a directory on ext4, xfs or btrfs`,
      error,
    );
  } finally {
    closeFd(namespace);
  }
}

function hostUser({ idmap = SOURCE_OWNER, source }: MountPoint): [uid: number, gid: number] {
  if (idmap === SOURCE_OWNER) {
    const { uid, gid } = statSync(source);
    return [uid, gid];
  }
  const [uid = 0, gid = 0] = idmap.split(':').map(Number);
  return [uid, gid];
}
