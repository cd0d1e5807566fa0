import { isIPv6 } from 'node:net';
import { Errno, SyscallError } from './errno.ts';
import { check, errno, libc } from './ffi.ts';
import { closeFd } from './namespaces.ts';
import { AF_INET, AF_INET6, ipBytes } from './netlink/addresses.ts';

const SOCK_CLOEXEC = 0o2000000;
const TYPES = { tcp: [1, 6], udp: [2, 17], sctp: [1, 132] } as const;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_RCVBUF = 8;
const SOL_IPV6 = 41;
const IPV6_V6ONLY = 26;

function socketAddress(address: string, port: number): Buffer {
  const v6 = isIPv6(address);
  const result = Buffer.alloc(v6 ? 28 : 16);
  result.writeUInt16LE(v6 ? AF_INET6 : AF_INET, 0);
  result.writeUInt16BE(port, 2);
  result.set(ipBytes(address), v6 ? 8 : 4);
  return result;
}

function option(fd: number, level: number, name: number, value: number): void {
  const data = Buffer.alloc(4);
  data.writeInt32LE(value);
  libc.setsockopt(fd, level, name, data, 4);
}

/**
 * Holds a port against other programs by binding it: no listener, nothing is ever received. Returns the
 * descriptor, to be closed with `closeFd`. Throws a SyscallError: EADDRINUSE, EADDRNOTAVAIL (not an address of
 * this host), EAFNOSUPPORT or EPROTONOSUPPORT (the kernel lacks IPv6 or SCTP).
 */
export function holdPort(protocol: keyof typeof TYPES, address: string, port: number): number {
  const v6 = isIPv6(address);
  const [type, number] = TYPES[protocol];
  const fd = check(libc.socket(v6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC, number), 'socket', protocol);
  try {
    if (v6) option(fd, SOL_IPV6, IPV6_V6ONLY, 1);
    // A datagram that the rules do not lead away is not worth keeping.
    if (protocol === 'udp') option(fd, SOL_SOCKET, SO_RCVBUF, 1);
    const data = socketAddress(address, port);
    if (libc.bind(fd, data, data.length) === 0) return fd;
    const failed = errno();
    if (failed !== Errno.EADDRINUSE || protocol !== 'tcp') {
      throw new SyscallError('bind', `${address}:${port}`, failed);
    }
    // Old connections of a server that ended (TIME_WAIT) do not count. Taken back after the bind, so that
    // nobody else can listen there; a live listener fails here as well.
    option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    check(libc.bind(fd, data, data.length), 'bind', `${address}:${port}`);
    option(fd, SOL_SOCKET, SO_REUSEADDR, 0);
    return fd;
  } catch (error) {
    closeFd(fd);
    throw error;
  }
}
