import { isIPv4, isIPv6 } from 'node:net';
import { Errno, SyscallError } from '../errno.ts';
import { NetlinkFlag, readAttributes } from './message.ts';
import type { NetlinkRequest, NetlinkSocket } from './socket.ts';

const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
const IFA_F_NODAD = 0x02;
const IFADDR = 8;

export const AF_INET = 2 as const;
export const AF_INET6 = 10 as const;

/** The four or sixteen bytes of an address in text. Throws EINVAL. */
export function ipBytes(text: string): Buffer {
  if (isIPv4(text)) return Buffer.from(text.split('.').map(Number));
  if (!isIPv6(text)) throw new SyscallError('parse IP address', text, Errno.EINVAL);
  const plain = text.replace(
    /(\d+)\.(\d+)\.(\d+)\.(\d+)$/,
    (_, a: string, b: string, c: string, d: string) => {
      const group = (high: string, low: string): string => ((Number(high) << 8) | Number(low)).toString(16);
      return `${group(a, b)}:${group(c, d)}`;
    },
  );
  const [head = '', tail] = plain.split('::');
  const groups = (part: string): string[] => (part === '' ? [] : part.split(':'));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const all = [...before, ...new Array<string>(8 - before.length - after.length).fill('0'), ...after];
  const bytes = Buffer.alloc(16);
  for (const [index, group] of all.entries()) bytes.writeUInt16BE(Number.parseInt(group, 16), index * 2);
  return bytes;
}

/** An address of four or sixteen bytes as text; IPv6 in the canonical form of RFC 5952. */
export function ipText(bytes: Uint8Array): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups: number[] = [];
  for (let index = 0; index < 16; index += 2)
    groups.push(((bytes[index] ?? 0) << 8) | (bytes[index + 1] ?? 0));
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && groups[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const text = (part: number[]): string => part.map((group) => group.toString(16)).join(':');
  if (best.start < 0) return text(groups);
  return `${text(groups.slice(0, best.start))}::${text(groups.slice(best.start + best.length))}`;
}

function splitCidr(cidr: string): { bytes: Buffer; prefix: number } {
  const [address = '', prefix = ''] = cidr.split('/');
  const bytes = ipBytes(address);
  const length = /^\d+$/.test(prefix) ? Number(prefix) : Number.NaN;
  if (!(length <= bytes.length * 8)) throw new SyscallError('parse address', cidr, Errno.EINVAL);
  return { bytes, prefix: length };
}

function broadcast(bytes: Buffer, prefix: number): Buffer {
  const result = Buffer.alloc(4);
  const host = prefix === 0 ? 0xffffffff : 2 ** (32 - prefix) - 1;
  result.writeUInt32BE((bytes.readUInt32BE(0) | host) >>> 0);
  return result;
}

function addressRequest(type: number, flags: number, index: number, cidr: string): NetlinkRequest {
  const { bytes, prefix } = splitCidr(cidr);
  const v4 = bytes.length === 4;
  return {
    what: `${type === RTM_NEWADDR ? 'add' : 'delete'} address ${cidr}`,
    type,
    flags,
    accept: [type === RTM_NEWADDR ? Errno.EEXIST : Errno.EADDRNOTAVAIL],
    write(writer) {
      writer.u8(v4 ? AF_INET : AF_INET6);
      writer.u8(prefix);
      // We give each IPv6 address once ourselves: duplicate detection only makes it unusable for a second.
      writer.u8(v4 ? 0 : IFA_F_NODAD);
      writer.u8(0);
      writer.u32(index);
      writer.attribute(IFA_LOCAL, bytes);
      writer.attribute(IFA_ADDRESS, bytes);
      if (v4 && prefix < 31) writer.attribute(IFA_BROADCAST, broadcast(bytes, prefix));
    },
  };
}

/** Gives the link an address (`172.17.0.2/16`), without duplicate address detection. There already is fine. */
export function addAddress(index: number, cidr: string): NetlinkRequest {
  return addressRequest(RTM_NEWADDR, NetlinkFlag.CREATE | NetlinkFlag.EXCL, index, cidr);
}

/** Takes an address away. Not there is fine. */
export function deleteAddress(index: number, cidr: string): NetlinkRequest {
  return addressRequest(RTM_DELADDR, 0, index, cidr);
}

/** Every address of the socket's namespace. */
export function listAddresses(socket: NetlinkSocket): Array<{ index: number; cidr: string }> {
  const messages = socket.query({
    what: 'list addresses',
    type: RTM_GETADDR,
    flags: NetlinkFlag.DUMP,
    write(writer) {
      writer.u32(0);
      writer.u32(0);
    },
  });
  const result: Array<{ index: number; cidr: string }> = [];
  for (const { type, payload } of messages) {
    if (type !== RTM_NEWADDR) continue;
    const attributes = readAttributes(payload, IFADDR);
    const bytes = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
    if (bytes)
      result.push({ index: payload.readUInt32LE(4), cidr: `${ipText(bytes)}/${payload.readUInt8(1)}` });
  }
  return result;
}
