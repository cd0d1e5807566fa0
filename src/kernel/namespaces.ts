import { check, cstr, libc } from './ffi.ts';

/** Clone flags of namespaces, include/uapi/linux/sched.h. */
export const NamespaceFlag = {
  MOUNT: 0x20000,
  UTS: 0x4000000,
  IPC: 0x8000000,
  USER: 0x10000000,
  PID: 0x20000000,
  NET: 0x40000000,
} as const;

const O_RDONLY = 0;
const O_CLOEXEC = 0o2000000;

/** Opens a file as a bare descriptor; the caller closes it with `closeFd`. */
export function openFd(path: string, flags: number = O_RDONLY): number {
  return check(libc.open(cstr(path), flags | O_CLOEXEC, 0), 'open', path);
}

/** Closes a descriptor from `openFd` and its like. */
export function closeFd(fd: number): void {
  libc.close(fd);
}

let home: number | undefined;

/** A descriptor of the network namespace that the daemon itself lives in. */
function homeNetwork(): number {
  home ??= openFd('/proc/thread-self/ns/net');
  return home;
}

/**
 * Runs `body` with the calling thread inside the network namespace `fd` and comes back. `body` must not await:
 * everything else on this thread would run in the wrong namespace.
 */
export function insideNetwork<T>(fd: number, body: () => T): T {
  const back = homeNetwork();
  check(libc.setns(fd, NamespaceFlag.NET), 'setns', `network namespace of descriptor ${fd}`);
  try {
    return body();
  } finally {
    check(libc.setns(back, NamespaceFlag.NET), 'setns', 'back');
  }
}

/** Makes a network namespace and returns a descriptor of it; it ends with its last process or descriptor. */
export function newNetworkNamespace(): number {
  const back = homeNetwork();
  check(libc.unshare(NamespaceFlag.NET), 'unshare', 'network namespace');
  try {
    return openFd('/proc/thread-self/ns/net');
  } finally {
    check(libc.setns(back, NamespaceFlag.NET), 'setns', 'back');
  }
}

/**
 * Moves the calling thread into a new network namespace, from then on its home, until the returned function
 * brings it back. For tests that must not touch the host's network.
 */
export function moveToNewNetwork(): () => void {
  const before = homeNetwork();
  check(libc.unshare(NamespaceFlag.NET), 'unshare', 'network namespace');
  const inside = openFd('/proc/thread-self/ns/net');
  home = inside;
  return () => {
    home = before;
    check(libc.setns(before, NamespaceFlag.NET), 'setns', 'back');
    closeFd(inside);
  };
}
