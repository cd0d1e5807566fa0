import { SyscallError } from './errno.ts';
import { check, cstr, libc } from './ffi.ts';
import { closeFd, NamespaceFlag, openFd } from './namespaces.ts';

const MS_REC = 0x4000n;
const MS_SLAVE = 0x80000n;
const CLONE_FS = 0x200;
const EINVAL = 22;

/**
 * Runs `body` with the calling thread in a mount namespace of its own, a copy of the thread's, and comes back. What
 * `body` mounts is seen nowhere else. `keep` holds the namespace together: when that descriptor is closed, or this
 * process has ended in whatever way, the mounts are gone. `body` must not await.
 */
export function withPrivateMounts<T>(body: () => T): { readonly value: T; readonly keep: number } {
  const home = openFd('/proc/thread-self/ns/mnt');
  try {
    // Implies a root and a working directory of the thread's own, which setns(2) wants on the way back.
    check(libc.unshare(NamespaceFlag.MOUNT), 'unshare', 'mount namespace');
    let keep = -1;
    try {
      // What is unmounted outside meanwhile goes here as well; nothing goes the other way.
      check(libc.mount(null, cstr('/'), null, MS_REC | MS_SLAVE, null), 'mount', 'a slave namespace');
      keep = openFd('/proc/thread-self/ns/mnt');
      return { value: body(), keep };
    } catch (error) {
      if (keep >= 0) closeFd(keep);
      throw error;
    } finally {
      comeBack(home);
    }
  } finally {
    closeFd(home);
  }
}

function comeBack(home: number): void {
  try {
    check(libc.setns(home, NamespaceFlag.MOUNT), 'setns', 'back');
  } catch (error) {
    if (!(error instanceof SyscallError) || error.errno !== EINVAL) throw error;
    // Another thread that was started in between shares this one's working directory.
    check(libc.unshare(CLONE_FS), 'unshare', 'working directory');
    check(libc.setns(home, NamespaceFlag.MOUNT), 'setns', 'back');
  }
}
