import { ptr } from 'bun:ffi';
import { Errno } from './errno.ts';
import { check, cstr, errno, libc } from './ffi.ts';

const O_CLOEXEC = 0o2000000;
const O_WRONLY = 0o1;
const O_NONBLOCK = 0o4000;

/** A pipe whose ends are closed on exec; hand an end to a child as one of its `stdio`. */
export function makePipe(): { readEnd: number; writeEnd: number } {
  const ends = new Int32Array(2);
  check(libc.pipe2(ends, O_CLOEXEC), 'pipe2');
  return { readEnd: ends[0] as number, writeEnd: ends[1] as number };
}

const CHUNK = 16384;
const chunk = Buffer.from(new ArrayBuffer(CHUNK));
const chunkPointer = ptr(chunk);

/** What can be read now from a non-blocking descriptor: bytes (a copy), `eof` or `empty`. */
export function readNow(fd: number): Buffer | 'eof' | 'empty' {
  const size = Number(libc.read(fd, chunkPointer, BigInt(CHUNK)));
  if (size > 0) return Buffer.from(chunk.subarray(0, size));
  if (size === 0) return 'eof';
  const code = errno();
  return code === Errno.EAGAIN || code === Errno.EINTR ? 'empty' : 'eof';
}

/** Writes a few bytes to a descriptor. Throws a SyscallError. */
export function writeNow(fd: number, bytes: Uint8Array, subject: string): void {
  check(libc.write(fd, bytes, BigInt(bytes.length)), 'write', subject);
}

/**
 * Writes to a FIFO that somebody reads. Throws a SyscallError: ENOENT, or ENXIO when nobody has it open for
 * reading (fifo(7)), instead of waiting for a reader.
 */
export function writeFifo(path: string, bytes: Uint8Array): void {
  const fd = check(libc.open(cstr(path), O_WRONLY | O_NONBLOCK | O_CLOEXEC, 0), 'open', path);
  try {
    writeNow(fd, bytes, path);
  } finally {
    libc.close(fd);
  }
}
