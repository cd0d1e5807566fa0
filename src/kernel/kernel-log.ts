import { closeSync, constants, openSync, readSync } from 'node:fs';
import { codeOf } from './errno.ts';

/** A record of the kernel's log is at most this long (CONSOLE_EXT_LOG_MAX). Bytes. */
const RECORD = 8192;

/** A message of the kernel's log. */
export interface KernelRecord {
  /** Since boot. */
  readonly seconds: number;
  readonly message: string;
}

/** The messages that the kernel's log holds, oldest first. Takes some milliseconds. */
export function readKernelLog(path = '/dev/kmsg'): string[] {
  return kernelRecords(path).map(({ message }) => message);
}

/**
 * What the kernel's log holds, oldest first (dev-kmsg in the kernel's ABI documentation); nothing when it may not be
 * read. Takes some milliseconds.
 */
export function kernelRecords(path = '/dev/kmsg'): KernelRecord[] {
  const messages: KernelRecord[] = [];
  let fd: number;
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch {
    return messages;
  }
  const record = Buffer.alloc(RECORD);
  try {
    for (;;) {
      let length: number;
      try {
        length = readSync(fd, record);
      } catch (error) {
        // Overwritten while it was read: the next read finds the next one. EAGAIN is the end.
        if (codeOf(error) === 'EPIPE') continue;
        break;
      }
      if (length === 0) break;
      // `PRIORITY,SEQUENCE,TIME,FLAGS;MESSAGE` and then lines of tags.
      const text = record.toString('utf8', 0, length);
      const message = text.slice(text.indexOf(';') + 1).split('\n', 1)[0] ?? '';
      messages.push({ seconds: Number(text.split(',', 3)[2]) / 1e6, message });
    }
  } finally {
    closeSync(fd);
  }
  return messages;
}
