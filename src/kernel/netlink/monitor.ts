import { Errno, SyscallError } from '../errno.ts';
import { errno, libc } from '../ffi.ts';
import { Ready, watchDescriptor } from '../reactor.ts';
import { type NetlinkMessage, readMessages } from './message.ts';
import { NetlinkSocket } from './socket.ts';

const inbox = Buffer.alloc(64 * 1024);
/** Datagrams read before other work gets its turn. */
const TURN = 64;

export interface NetlinkMonitor {
  /** Hands over what has arrived up to now, before anything else happens. */
  drain(): void;
  close(): void;
}

/**
 * Calls `onMessages` with notifications of the multicast groups, and with undefined when the kernel had to drop
 * some because they came too fast (ENOBUFS): then anything may have changed. No thread and no process waits.
 */
export function monitorNetlink(
  protocol: number,
  groups: readonly number[],
  onMessages: (messages: NetlinkMessage[] | undefined) => void,
): NetlinkMonitor {
  const socket = NetlinkSocket.listen(protocol, groups);
  let closed = false;
  /** Returns true when there may be more. */
  const read = (limit: number): boolean => {
    for (let count = 0; count < limit; count++) {
      if (closed) return false;
      const length = Number(libc.recv(socket.fd, inbox, BigInt(inbox.length), 0));
      if (length >= 0) {
        onMessages([...readMessages(inbox.subarray(0, length))]);
        continue;
      }
      const error = errno();
      if (error === Errno.EINTR) continue;
      if (error === Errno.EAGAIN) return false;
      if (error !== Errno.ENOBUFS) throw new SyscallError('recv', 'netlink', error);
      onMessages(undefined);
    }
    return true;
  };
  const registration = watchDescriptor(socket.fd, Ready.IN, () => read(TURN));
  return {
    drain: () => void read(Number.POSITIVE_INFINITY),
    close() {
      if (closed) return;
      closed = true;
      registration.remove();
      socket.close();
    },
  };
}
