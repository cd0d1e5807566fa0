import { Errno, SyscallError } from './errno.ts';
import { check, cstr, libc, syscall } from './ffi.ts';
import { closeFd } from './namespaces.ts';

/*
 * Copies of mounts that are changed before anybody sees them: open_tree(2), mount_setattr(2) (Linux 5.12) and
 * move_mount(2). What mount(2) does in several steps, with a moment in between, is one step here.
 */

const AT_FDCWD = -100;
const AT_EMPTY_PATH = 0x1000;
const AT_RECURSIVE = 0x8000;
const OPEN_TREE_CLONE = 1;
const O_CLOEXEC = 0o2000000;
const MOVE_MOUNT_F_EMPTY_PATH = 4;
const ATTR_RDONLY = 0x1;
const ATTR_IDMAP = 0x100000;
const MS_PRIVATE = 1n << 18n;
const MS_REC = 0x4000;

/** What a copy is to have that its original has not. */
export interface TreeChange {
  /** What is mounted below comes along. */
  readonly recursive: boolean;
  /** Read-only, and what is mounted below it as well. */
  readonly readOnly: boolean;
  /** Nothing that is mounted or unmounted in the copy reaches the original, nor the other way. */
  readonly isolated: boolean;
  /** Descriptor of a user namespace whose maps translate owners (mount_setattr(2), ID-mapped mounts). */
  readonly userNamespace?: number;
}

/**
 * Attaches a copy of the mount at `source` (an absolute path, followed) to `target`, which must be there: a directory
 * for a directory, a file for a file. Throws a SyscallError; `target` is then as it was.
 */
export function attachCopy(source: string, target: string, change: TreeChange): void {
  const { recursive, readOnly, isolated, userNamespace } = change;
  const flags = OPEN_TREE_CLONE | O_CLOEXEC | (recursive ? AT_RECURSIVE : 0);
  const tree = syscall('open_tree', source, AT_FDCWD, cstr(source), flags);
  try {
    // struct mount_attr: attr_set, attr_clr, propagation, userns_fd.
    const set = (readOnly ? ATTR_RDONLY : 0) | (userNamespace === undefined ? 0 : ATTR_IDMAP);
    const attr = new BigUint64Array([
      BigInt(set),
      0n,
      isolated ? MS_PRIVATE : 0n,
      BigInt(userNamespace ?? 0),
    ]);
    const how = AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
    syscall('mount_setattr', source, tree, cstr(''), how, attr, attr.byteLength);
    syscall('move_mount', target, tree, cstr(''), AT_FDCWD, cstr(target), MOVE_MOUNT_F_EMPTY_PATH);
  } finally {
    closeFd(tree);
  }
}

/**
 * Takes a copy away with all that is mounted in it. It is made private first: taking it away must not take away what
 * is mounted in the original (mount_namespaces(7), "shared"). Nothing mounted there is fine.
 */
export function detachCopy(target: string): void {
  const UMOUNT_NOFOLLOW = 8;
  const MNT_DETACH = 2;
  try {
    check(libc.mount(null, cstr(target), null, MS_PRIVATE | BigInt(MS_REC), null), 'make private', target);
    check(libc.umount2(cstr(target), UMOUNT_NOFOLLOW | MNT_DETACH), 'umount', target);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.errno !== Errno.EINVAL && error.errno !== Errno.ENOENT) throw error;
  }
}
