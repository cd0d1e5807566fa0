import { ptr } from 'bun:ffi';
import { basename, dirname } from 'node:path';
import { Errno, SyscallError } from './errno.ts';
import { check, cstr, errno, libc } from './ffi.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_SEQPACKET = 5;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const SHUT_WR = 1;
const O_PATH = 0o10000000;
const O_DIRECTORY = 0o200000;
const O_CLOEXEC = 0o2000000;
const SUN_PATH = 108;

/** The largest packet `receivePacket` takes; conmon sends at most 32 KiB and a byte. */
const BUFFER_SIZE = 65536;
const buffer = new Uint8Array(new ArrayBuffer(BUFFER_SIZE));
const bufferPointer = ptr(buffer);

/**
 * Connects to the SEQPACKET socket `name` in `directory` (unix(7)); the path may be longer than the 108 bytes
 * of a socket address, because it goes through the directory's descriptor. Returns a non-blocking descriptor.
 * Throws a SyscallError: ENOENT, ECONNREFUSED when nobody listens, EAGAIN when the queue is full.
 */
export function connectSeqpacket(directory: string, name: string): number {
  return connectUnix(SOCK_SEQPACKET, directory, name);
}

/** Connects to a datagram socket by its path, as `connectSeqpacket` does to one of the other kind. */
export function connectDatagram(path: string): number {
  return connectUnix(SOCK_DGRAM, dirname(path), basename(path));
}

function connectUnix(type: number, directory: string, name: string): number {
  const at = check(libc.open(cstr(directory), O_PATH | O_DIRECTORY | O_CLOEXEC, 0), 'open', directory);
  try {
    const path = `/proc/self/fd/${at}/${name}`;
    const address = Buffer.alloc(2 + SUN_PATH);
    address.writeUInt16LE(AF_UNIX, 0);
    address.write(path, 2);
    const fd = check(libc.socket(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), 'socket', name);
    if (libc.connect(fd, address, address.length) < 0) {
      const error = new SyscallError('connect', `${directory}/${name}`, errno());
      libc.close(fd);
      throw error;
    }
    return fd;
  } finally {
    libc.close(at);
  }
}

/** One packet (a copy), `eof` when the peer has gone, `empty` when there is none now. */
export function receivePacket(fd: number): Uint8Array | 'eof' | 'empty' {
  const size = Number(libc.recv(fd, bufferPointer, BUFFER_SIZE, MSG_DONTWAIT));
  if (size > 0) return buffer.slice(0, size);
  if (size === 0) return 'eof';
  const code = errno();
  return code === Errno.EAGAIN || code === Errno.EINTR ? 'empty' : 'eof';
}

/** Sends one packet: `sent`, `full` when the peer's queue is (try again when writable), `gone`. */
export function sendPacket(fd: number, packet: Uint8Array): 'sent' | 'full' | 'gone' {
  const size = Number(libc.send(fd, packet, BigInt(packet.length), MSG_DONTWAIT | MSG_NOSIGNAL));
  if (size >= 0) return 'sent';
  const code = errno();
  return code === Errno.EAGAIN || code === Errno.EINTR ? 'full' : 'gone';
}

/** Tells the peer that no more packets come; packets from the peer still arrive. */
export function shutdownSending(fd: number): void {
  libc.shutdown(fd, SHUT_WR);
}
