import { Errno } from '../errno.ts';
import { AF_INET, type AF_INET6, ipText } from './addresses.ts';
import { NetlinkFlag, type NetlinkMessage, type NetlinkWriter, readAttributes } from './message.ts';
import type { NetlinkRequest, NetlinkSocket } from './socket.ts';

/** include/uapi/linux/netfilter/nfnetlink_conntrack.h */
const SUBSYSTEM = 1 << 8;
const NEW = 0;
const GET = 1;
const DELETE = 2;
const NFGENMSG = 4;
const TUPLE_ORIGINAL = 1;
const TUPLE_REPLY = 2;
const TUPLE_IP = 1;
const TUPLE_PROTOCOL = 2;
const IP_V4_SOURCE = 1;
const IP_V4_DESTINATION = 2;
const IP_V6_SOURCE = 3;
const IP_V6_DESTINATION = 4;
const PROTOCOL_NUMBER = 1;
const PROTOCOL_SOURCE_PORT = 2;
const PROTOCOL_DESTINATION_PORT = 3;

type Family = typeof AF_INET | typeof AF_INET6;

/** One direction of a tracked connection. */
export interface ConnectionTuple {
  readonly protocol: number;
  readonly source: string;
  readonly sourcePort: number;
  readonly destination: string;
  readonly destinationPort: number;
}

export interface Connection {
  readonly original: ConnectionTuple;
  /** How its answers look: after NAT their source is where the connection was led to. */
  readonly reply: ConnectionTuple;
  /** The original direction as the kernel gave it, for `forget`. */
  readonly raw: Buffer;
  readonly family: Family;
}

const EMPTY = Buffer.alloc(0);

function parseTuple(data: Buffer): ConnectionTuple {
  const parts = readAttributes(data);
  const ip = readAttributes(parts.get(TUPLE_IP) ?? EMPTY);
  const protocol = readAttributes(parts.get(TUPLE_PROTOCOL) ?? EMPTY);
  const address = (v4: number, v6: number): string => {
    const bytes = ip.get(v4) ?? ip.get(v6);
    return bytes ? ipText(bytes) : '';
  };
  return {
    protocol: protocol.get(PROTOCOL_NUMBER)?.readUInt8(0) ?? 0,
    source: address(IP_V4_SOURCE, IP_V6_SOURCE),
    sourcePort: protocol.get(PROTOCOL_SOURCE_PORT)?.readUInt16BE(0) ?? 0,
    destination: address(IP_V4_DESTINATION, IP_V6_DESTINATION),
    destinationPort: protocol.get(PROTOCOL_DESTINATION_PORT)?.readUInt16BE(0) ?? 0,
  };
}

function header(
  what: string,
  type: number,
  flags: number,
  family: Family,
  body?: (writer: NetlinkWriter) => void,
): NetlinkRequest {
  return {
    what,
    type: SUBSYSTEM | type,
    flags,
    write(writer) {
      writer.u8(family);
      writer.u8(0);
      writer.u16be(0);
      body?.(writer);
    },
  };
}

/** The connections that the kernel tracks. Throws a SyscallError where it was built without this interface. */
export function listConnections(socket: NetlinkSocket, family: Family = AF_INET): Connection[] {
  const messages: NetlinkMessage[] = socket.query(header('list connections', GET, NetlinkFlag.DUMP, family));
  const result: Connection[] = [];
  for (const { type, payload } of messages) {
    if (type !== (SUBSYSTEM | NEW)) continue;
    const attributes = readAttributes(payload, NFGENMSG);
    const original = attributes.get(TUPLE_ORIGINAL);
    const reply = attributes.get(TUPLE_REPLY);
    if (original && reply)
      result.push({ original: parseTuple(original), reply: parseTuple(reply), raw: original, family });
  }
  return result;
}

/** Makes the kernel forget connections, so that their next packet is judged anew. Those that are gone are fine. */
export function forgetConnections(socket: NetlinkSocket, connections: readonly Connection[]): void {
  if (connections.length === 0) return;
  const NESTED = 0x8000;
  socket.execute(
    connections.map(({ raw, family }) => ({
      ...header('forget a connection', DELETE, 0, family, (writer) =>
        writer.attribute(TUPLE_ORIGINAL | NESTED, raw),
      ),
      accept: [Errno.ENOENT],
    })),
  );
}
