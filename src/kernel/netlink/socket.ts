import { Errno, SyscallError } from '../errno.ts';
import { check, errno, libc } from '../ffi.ts';
import { closeFd, insideNetwork } from '../namespaces.ts';
import {
  NetlinkFlag,
  type NetlinkMessage,
  NetlinkType,
  NetlinkWriter,
  readAttributes,
  readMessages,
  readString,
} from './message.ts';

/** Protocols, include/uapi/linux/netlink.h. */
export const NetlinkProtocol = { ROUTE: 0, NETFILTER: 12 } as const;

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOCK_NONBLOCK = 0o4000;
const SOL_NETLINK = 270;
const NETLINK_ADD_MEMBERSHIP = 1;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NLM_F_ACK_TLVS = 0x200;
const NLMSGERR_ATTR_MSG = 1;

/** The kernel fills at most 32 KB of a dump's buffer; other answers are shorter. */
const inbox = Buffer.alloc(64 * 1024);

/** More acknowledgements than this may not fit into the socket's receive buffer. */
const MANY = 64;

/** One request. Builders return it, so that several go to the kernel in one call. */
export interface NetlinkRequest {
  /** For errors: `add veth1a2b3c4`. */
  readonly what: string;
  readonly type: number;
  /** Without REQUEST and ACK. */
  readonly flags: number;
  write(writer: NetlinkWriter): void;
  /** errnos that count as done, e.g. EEXIST for something that may be there. */
  readonly accept?: readonly number[];
  /** The kernel answers only if it fails (the begin and end of a batch). */
  readonly silent?: boolean;
}

/**
 * A netlink socket. It stays in the network namespace that it was opened in (and keeps that namespace alive), so
 * requests for another namespace need no further setns. Calls block the thread for the tens of microseconds that
 * the kernel takes.
 */
export class NetlinkSocket {
  readonly fd: number;
  #sequence = 1;
  #closed = false;

  private constructor(fd: number) {
    this.fd = fd;
  }

  /** Opens a socket in the daemon's namespace, or in that of descriptor `namespace`. */
  static open(protocol: number, namespace?: number): NetlinkSocket {
    const make = (): number =>
      check(libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), 'socket', 'netlink');
    const socket = new NetlinkSocket(namespace === undefined ? make() : insideNetwork(namespace, make));
    const one = Buffer.from([1, 0, 0, 0]);
    // Both only make errors nicer; kernels before 4.12 lack them.
    libc.setsockopt(socket.fd, SOL_NETLINK, NETLINK_EXT_ACK, one, 4);
    libc.setsockopt(socket.fd, SOL_NETLINK, NETLINK_CAP_ACK, one, 4);
    return socket;
  }

  /**
   * A socket that hears the multicast groups, for an evented reader: the descriptor does not block. Throws a
   * SyscallError.
   */
  static listen(protocol: number, groups: readonly number[]): NetlinkSocket {
    const fd = check(
      libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol),
      'socket',
      'netlink',
    );
    const socket = new NetlinkSocket(fd);
    try {
      const address = Buffer.alloc(12);
      address.writeUInt16LE(AF_NETLINK, 0);
      check(libc.bind(fd, address, 12), 'bind', 'netlink');
      for (const group of groups) {
        const option = Buffer.alloc(4);
        option.writeInt32LE(group);
        check(libc.setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, option, 4), 'setsockopt', 'netlink');
      }
      return socket;
    } catch (error) {
      socket.close();
      throw error;
    }
  }

  /** The port id that the kernel gave the socket; it marks notifications about this socket's own requests. */
  get port(): number {
    const address = Buffer.alloc(12);
    const length = Buffer.from([12, 0, 0, 0]);
    check(libc.getsockname(this.fd, address, length), 'getsockname', 'netlink');
    return address.readUInt32LE(4);
  }

  /**
   * Sends the requests in one datagram and waits for every acknowledgement. The kernel executes them in order
   * and goes on after one that failed. Throws the first failure as a SyscallError.
   */
  execute(requests: readonly NetlinkRequest[]): void {
    if (requests.length === 0) return;
    if (requests.length > MANY && !requests.some((request) => request.silent)) {
      const problems: unknown[] = [];
      for (let start = 0; start < requests.length; start += MANY) {
        try {
          this.execute(requests.slice(start, start + MANY));
        } catch (error) {
          problems.push(error);
        }
      }
      if (problems.length > 0) throw problems[0];
      return;
    }
    const first = this.#sequence;
    const writer = new NetlinkWriter();
    for (const request of requests) {
      const flags = request.flags | NetlinkFlag.REQUEST | (request.silent ? 0 : NetlinkFlag.ACK);
      writer.message(request.type, flags, this.#sequence++, () => request.write(writer));
    }
    this.send(writer.bytes, requests[0]?.what ?? 'netlink');
    let open = requests.filter((request) => !request.silent).length;
    let failure: SyscallError | undefined;
    while (open > 0) {
      for (const message of this.receive()) {
        const request = requests[message.sequence - first];
        if (request === undefined || message.type !== NetlinkType.ERROR) continue;
        open--;
        const error = errorOf(message, request.what);
        // A batch that fails at its begin or end answers nothing else.
        if (error && request.silent) throw error;
        if (error && !request.accept?.includes(error.errno)) failure ??= error;
      }
    }
    if (failure) throw failure;
  }

  /** Asks for something that comes as messages: a dump, or a single object when `flags` lacks DUMP. */
  query(request: NetlinkRequest): NetlinkMessage[] {
    const sequence = this.#sequence++;
    const writer = new NetlinkWriter();
    writer.message(request.type, request.flags | NetlinkFlag.REQUEST, sequence, () => request.write(writer));
    this.send(writer.bytes, request.what);
    const dump = (request.flags & NetlinkFlag.DUMP) === NetlinkFlag.DUMP;
    const answers: NetlinkMessage[] = [];
    for (;;) {
      for (const message of this.receive()) {
        if (message.sequence !== sequence) continue;
        if (message.type === NetlinkType.DONE) return answers;
        if (message.type === NetlinkType.ERROR) {
          const error = errorOf(message, request.what);
          if (error) throw error;
          return answers;
        }
        // The inbox is reused by the next recv.
        answers.push({ ...message, payload: Buffer.from(message.payload) });
      }
      if (!dump && answers.length > 0) return answers;
    }
  }

  /** Sends raw messages. */
  send(data: Buffer, what: string): void {
    check(libc.send(this.fd, data, BigInt(data.length), 0), 'netlink', what);
  }

  /** Reads one datagram; the messages are valid until the next call. */
  receive(): NetlinkMessage[] {
    for (;;) {
      const count = Number(libc.recv(this.fd, inbox, BigInt(inbox.length), 0));
      if (count >= 0) return [...readMessages(inbox.subarray(0, count))];
      const error = errno();
      if (error !== Errno.EINTR) throw new SyscallError('recv', 'netlink', error);
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    closeFd(this.fd);
  }
}

/** The error in an NLMSG_ERROR message, with the kernel's own explanation if it gives one; undefined for an ack. */
export function errorOf(message: NetlinkMessage, what: string): SyscallError | undefined {
  const code = -message.payload.readInt32LE(0);
  if (code === 0) return undefined;
  let detail = '';
  if (message.flags & NLM_F_ACK_TLVS) {
    // struct nlmsgerr: the code and the header of the request (its payload is left out, CAP_ACK).
    detail = readString(readAttributes(message.payload, 20).get(NLMSGERR_ATTR_MSG));
  }
  return new SyscallError('netlink', detail ? `${what} (${detail})` : what, code);
}
