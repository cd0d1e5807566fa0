import { closeSync, constants, openSync, readSync } from 'node:fs';
import { codeOf } from './errno.ts';

/** A record of the kernel's log is at most this long (CONSOLE_EXT_LOG_MAX). Bytes. */
const RECORD = 8192;

/**
 * The messages that the kernel's log holds, oldest first (dev-kmsg in the kernel's ABI documentation); none when it may
 * not be read. Takes some milliseconds.
 */
export function readKernelLog(path = '/dev/kmsg'): string[] {
  const messages: string[] = [];
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
      messages.push(text.slice(text.indexOf(';') + 1).split('\n', 1)[0] ?? '');
    }
  } finally {
    closeSync(fd);
  }
  return messages;
}
