import { isIP } from 'node:net';
import { type Answer, type DecodedPacket, decode, encode, type Packet } from 'dns-packet';
import type { NameSource } from './dns.ts';

/** What to do with a query. */
export type Verdict =
  | { readonly kind: 'answer'; readonly bytes: Buffer }
  /** About no container: for the upstream servers. `refusal` is the answer when they cannot be asked. */
  | { readonly kind: 'forward'; readonly refusal: Buffer }
  /** Not a query: answering could make two servers talk to each other for ever. */
  | { readonly kind: 'drop' };

/** Bytes of a UDP answer for a client that says nothing (RFC 1035 section 4.2.1), and of a TCP one. */
const PLAIN_UDP = 512;
export const TCP_LIMIT = 65_535;
/** Answers for containers are good for a moment: they change with every start. Seconds. */
const TTL = 1;

const HEADER = 12;
const RESPONSE = 0x8000;
const OPCODE = 0x7800;
const TRUNCATED = 0x0200;
const RECURSION_DESIRED = 0x0100;
const RECURSION_AVAILABLE = 0x0080;
const Rcode = { NOERROR: 0, FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4 } as const;

/**
 * Answers one query of a container from the name source. `udp`: the answer has to fit a datagram of the size the
 * client can take (RFC 6891), else it says "truncated". Never throws.
 */
export function judge(query: Uint8Array, containerId: string, source: NameSource, udp: boolean): Verdict {
  const packet = Buffer.from(query.buffer, query.byteOffset, query.byteLength);
  if (packet.length < HEADER || packet.readUInt16BE(2) & RESPONSE) return { kind: 'drop' };
  if (packet.readUInt16BE(2) & OPCODE) return { kind: 'answer', bytes: bare(packet, Rcode.NOTIMP) };
  let decoded: DecodedPacket;
  try {
    decoded = decode(packet);
  } catch {
    return { kind: 'answer', bytes: bare(packet, Rcode.FORMERR) };
  }
  const [question, ...others] = decoded.questions ?? [];
  if (!question || others.length > 0) return { kind: 'answer', bytes: bare(packet, Rcode.FORMERR) };
  const reply = (answers: Answer[]): Verdict => ({ kind: 'answer', bytes: fit(decoded, answers, udp) });
  const name = question.name.toLowerCase();
  if (question.type === 'PTR') {
    const address = addressOfPointer(name);
    const owner = address && source.nameOf(containerId, address);
    if (owner) return reply([{ type: 'PTR', name: question.name, ttl: TTL, data: owner }]);
    return forward(decoded);
  }
  const found = source.addresses(containerId, name);
  if (!found) return forward(decoded);
  const wanted = { A: found.ipv4, AAAA: found.ipv6 }[question.type as string] ?? [];
  const type = question.type === 'AAAA' ? 'AAAA' : 'A';
  return reply(rotated(wanted).map((data) => ({ type, name: question.name, ttl: TTL, data })));
}

function forward(query: DecodedPacket): Verdict {
  return { kind: 'forward', refusal: encode(response(query, [], Rcode.SERVFAIL)) };
}

/** A different one first each time: most clients take the first. */
function rotated<T>(values: readonly T[]): T[] {
  const start = Math.floor(Math.random() * values.length);
  return [...values.slice(start), ...values.slice(0, start)];
}

function response(query: DecodedPacket, answers: Answer[], rcode: number, truncated = false): Packet {
  const flags =
    RECURSION_AVAILABLE | (query.flag_rd ? RECURSION_DESIRED : 0) | (truncated ? TRUNCATED : 0) | rcode;
  return { id: query.id ?? 0, type: 'response', flags, questions: query.questions ?? [], answers };
}

/** The answer, cut to what the client takes. */
function fit(query: DecodedPacket, answers: Answer[], udp: boolean): Buffer {
  const bytes = encode(response(query, answers, Rcode.NOERROR));
  const limit = udp ? datagramLimit(query) : TCP_LIMIT;
  if (bytes.length <= limit) return bytes;
  const some = answers.slice(0, Math.floor((answers.length * limit) / bytes.length) - 1);
  return encode(response(query, some, Rcode.NOERROR, udp));
}

function datagramLimit(query: DecodedPacket): number {
  const options = query.additionals?.find((record) => record.type === 'OPT');
  return options?.type === 'OPT' ? Math.max(PLAIN_UDP, options.udpPayloadSize) : PLAIN_UDP;
}

/** A header alone, for queries that cannot be read. */
function bare(query: Buffer, rcode: number): Buffer {
  const bytes = Buffer.alloc(HEADER);
  bytes.writeUInt16BE(query.readUInt16BE(0), 0);
  const kept = query.readUInt16BE(2) & (OPCODE | RECURSION_DESIRED);
  bytes.writeUInt16BE(RESPONSE | RECURSION_AVAILABLE | kept | rcode, 2);
  return bytes;
}

/** `3.0.17.172.in-addr.arpa` or the like of ip6.arpa (RFC 3596 section 2.5) as an address. */
function addressOfPointer(name: string): string | undefined {
  const v4 = /^((?:\d{1,3}\.){4})in-addr\.arpa$/.exec(name)?.[1];
  if (v4) {
    const address = v4.slice(0, -1).split('.').reverse().join('.');
    return isIP(address) === 4 ? address : undefined;
  }
  const v6 = /^((?:[0-9a-f]\.){32})ip6\.arpa$/.exec(name)?.[1];
  if (!v6) return undefined;
  const digits = v6.replaceAll('.', '').split('').reverse().join('');
  return digits.match(/.{4}/g)?.join(':');
}
