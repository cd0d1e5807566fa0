import { libc } from './ffi.ts';

/** Who is at the other end of a unix socket, as the kernel saw it at connect(2). */
export interface SocketPeer {
  /** 0: in a pid namespace that cannot be seen from here. */
  readonly pid: number;
  readonly uid: number;
}

const SOL_SOCKET = 1;
const SO_TYPE = 3;
const SO_PEERCRED = 17;
const SO_ACCEPTCONN = 30;
const SO_DOMAIN = 39;
const SO_COOKIE = 57;
const AF_UNIX = 1;
const F_GETFD = 1;
const F_DUPFD_CLOEXEC = 1030;
/** Behind stdin, stdout and stderr. */
const FIRST = 3;
/** Numbers that are looked at first. */
const PLACES = 16;
const SOCK_STREAM = 1;
/** Descriptors are dense: after so many gaps in a row there are no more. */
const GAP = 64;
/** Sockets that have long been closed are forgotten from here on. */
const CROWD = 20_000;

/**
 * Finds the peer of a connection that was accepted a moment ago by code that hides its descriptor: among the unix
 * sockets that this process has, the one that was not there before. Cookies tell sockets apart for good (socket(7)),
 * also when a descriptor's number is used again.
 */
export class PeerFinder {
  #known = new Set<bigint>();
  #places: readonly number[] = [];
  readonly #value = Buffer.alloc(16);
  readonly #length = Buffer.alloc(4);

  /** Call it for every connection, as soon as it is accepted. Undefined when it cannot be told which one it is. */
  newcomer(): SocketPeer | undefined {
    if (this.#known.size > CROWD) this.#forgetClosed();
    const found = this.#places.find((fd) => this.#isNew(fd)) ?? this.#search();
    if (found === undefined) return undefined;
    this.#known.add(this.#cookie(found));
    this.#remember(found);
    if (this.#option(found, SO_PEERCRED, 12) === undefined) return undefined;
    return { pid: this.#value.readInt32LE(0), uid: this.#value.readUInt32LE(4) };
  }

  /** accept(2) gives the lowest free number: most often one that an earlier connection had, or the one free now. */
  #remember(fd: number): void {
    const next = libc.fcntl(fd, F_DUPFD_CLOEXEC, BigInt(FIRST));
    libc.close(next);
    this.#places = [...new Set([next, fd, ...this.#places])].slice(0, PLACES);
  }

  #search(): number | undefined {
    for (let fd = FIRST, gap = 0; gap < GAP; fd += 1) {
      if (this.#isNew(fd)) return fd;
      gap = libc.fcntl(fd, F_GETFD, 0n) < 0 ? gap + 1 : 0;
    }
    return undefined;
  }

  #forgetClosed(): void {
    const open = new Set<bigint>();
    for (let fd = FIRST, gap = 0; gap < GAP; fd += 1) {
      if (this.#isAccepted(fd)) open.add(this.#cookie(fd));
      gap = libc.fcntl(fd, F_GETFD, 0n) < 0 ? gap + 1 : 0;
    }
    this.#known = open;
  }

  #isNew(fd: number): boolean {
    return this.#isAccepted(fd) && !this.#known.has(this.#cookie(fd));
  }

  #isAccepted(fd: number): boolean {
    return (
      this.#option(fd, SO_TYPE) === SOCK_STREAM &&
      this.#option(fd, SO_DOMAIN) === AF_UNIX &&
      this.#option(fd, SO_ACCEPTCONN) === 0 &&
      this.#isNamed(fd)
    );
  }

  #cookie(fd: number): bigint {
    this.#option(fd, SO_COOKIE, 8);
    return this.#value.readBigUInt64LE(0);
  }

  /** An accepted socket has its listener's name; one that this process connected has none. */
  #isNamed(fd: number): boolean {
    const FAMILY_ONLY = 2;
    this.#length.writeUInt32LE(this.#value.length);
    return (
      libc.getsockname(fd, this.#value, this.#length) === 0 && this.#length.readUInt32LE(0) > FAMILY_ONLY
    );
  }

  #option(fd: number, name: number, size = 4): number | undefined {
    this.#length.writeUInt32LE(size);
    if (libc.getsockopt(fd, SOL_SOCKET, name, this.#value, this.#length) < 0) return undefined;
    return this.#value.readInt32LE(0);
  }
}
