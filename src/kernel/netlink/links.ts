import { Errno, SyscallError } from '../errno.ts';
import {
  NetlinkFlag,
  type NetlinkMessage,
  type NetlinkWriter,
  readAttributes,
  readString,
} from './message.ts';
import type { NetlinkRequest, NetlinkSocket } from './socket.ts';

/** rtnetlink(7) message types. */
export const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;

/** Attributes of links, include/uapi/linux/if_link.h. */
export const Ifla = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  MASTER: 10,
  PROTINFO: 12,
  LINKINFO: 18,
  IFALIAS: 20,
  AF_SPEC: 26,
  NET_NS_FD: 28,
  EXT_MASK: 29,
} as const;
export const INFO_KIND = 1;
export const INFO_DATA = 2;
const INFO_SLAVE_KIND = 4;
const INFO_SLAVE_DATA = 5;
const VETH_INFO_PEER = 1;
const AF_BRIDGE = 7;
const BRPORT_STATE = 1;
const BR_STATE_DISABLED = 0;
const BRPORT_MODE = 4;
const BRPORT_ISOLATED = 33;
const INET6_ADDR_GEN_MODE = 8;
const ADDR_GEN_NONE = 1;
const AF_INET6 = 10;
const IFF_UP = 1;
const IFINFO = 16;
/** RTEXT_FILTER_SKIP_STATS: a dump without counters is half as long. */
const SKIP_STATS = 1 << 3;

/** A link as the kernel lists it. */
export interface Link {
  readonly index: number;
  readonly name: string;
  /** `bridge`, `veth`, …; empty for hardware. */
  readonly kind: string;
  /** Index of the bridge that it is plugged into, or 0. */
  readonly master: number;
  readonly mtu: number;
  readonly mac: string;
  readonly up: boolean;
  /** A text that whoever made the link left on it; empty without. */
  readonly alias: string;
}

/** struct ifinfomsg: which link, and whether it is to be up (undefined: as it is). */
export function ifinfo(writer: NetlinkWriter, index: number, up: boolean | undefined, family = 0): void {
  writer.u8(family);
  writer.u8(0);
  writer.u16(0);
  writer.u32(index);
  writer.u32(up ? IFF_UP : 0);
  writer.u32(up === undefined ? 0 : IFF_UP);
}

/** `02:42:ac:11:00:02` as six bytes. Throws EINVAL. */
export function macBytes(mac: string): Buffer {
  if (!/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/i.test(mac))
    throw new SyscallError('parse MAC address', mac, Errno.EINVAL);
  return Buffer.from(mac.replaceAll(':', ''), 'hex');
}

/**
 * A pair of virtual Ethernet links, both down (the kernel refuses to make them up, ENOTCONN): `name` in the
 * socket's namespace, the other end in the namespace of descriptor `peer.namespace`. EXFULL means that the bridge
 * has no free port (1,023).
 */
export function newVeth(options: {
  name: string;
  mtu: number;
  /** Index of the bridge to plug it into. */
  master?: number;
  /** Without a namespace: the socket's own. */
  peer: { name: string; namespace?: number; mac?: string };
}): NetlinkRequest {
  return {
    what: `add veth ${options.name}`,
    type: RTM_NEWLINK,
    flags: NetlinkFlag.CREATE | NetlinkFlag.EXCL,
    write(writer) {
      ifinfo(writer, 0, undefined);
      writer.string(Ifla.IFNAME, options.name);
      writer.number32(Ifla.MTU, options.mtu);
      if (options.master !== undefined) writer.number32(Ifla.MASTER, options.master);
      writer.nested(Ifla.LINKINFO, () => {
        writer.string(INFO_KIND, 'veth');
        writer.nested(INFO_DATA, () => {
          writer.nested(VETH_INFO_PEER, () => {
            ifinfo(writer, 0, undefined);
            writer.string(Ifla.IFNAME, options.peer.name);
            writer.number32(Ifla.MTU, options.mtu);
            if (options.peer.mac) writer.attribute(Ifla.ADDRESS, macBytes(options.peer.mac));
            const { namespace } = options.peer;
            if (namespace !== undefined) writer.number32(Ifla.NET_NS_FD, namespace);
          });
        });
      });
    },
  };
}

/** A bridge, down. EEXIST when a link of that name is there. */
export function newBridge(name: string): NetlinkRequest {
  return {
    what: `add bridge ${name}`,
    type: RTM_NEWLINK,
    flags: NetlinkFlag.CREATE | NetlinkFlag.EXCL,
    write(writer) {
      ifinfo(writer, 0, undefined);
      writer.string(Ifla.IFNAME, name);
      writer.nested(Ifla.LINKINFO, () => writer.string(INFO_KIND, 'bridge'));
    },
  };
}

export interface LinkChange {
  readonly up?: boolean;
  /** Index of the bridge; 0 unplugs. */
  readonly master?: number;
  readonly mtu?: number;
  readonly mac?: string;
  /** A new name; the link must be down (before kernel 6.2). */
  readonly name?: string;
  /** No IPv6 link-local address of its own: a bridge port needs none, and each costs DAD packets. */
  readonly noLinkLocal?: boolean;
  /** An isolated port of a bridge exchanges frames with the bridge only, not with other isolated ports. */
  readonly isolated?: boolean;
  /** A text left on the link. */
  readonly alias?: string;
  /** A port of a bridge in hairpin mode gets back what it sends if that is where it belongs. */
  readonly hairpin?: boolean;
}

/** Changes a link, by index or name. */
export function setLink(link: number | string, change: LinkChange): NetlinkRequest {
  return {
    what: `set link ${link}`,
    type: RTM_NEWLINK,
    flags: 0,
    write(writer) {
      ifinfo(writer, typeof link === 'number' ? link : 0, change.up);
      if (typeof link === 'string') writer.string(Ifla.IFNAME, link);
      else if (change.name !== undefined) writer.string(Ifla.IFNAME, change.name);
      if (change.alias !== undefined) writer.string(Ifla.IFALIAS, change.alias);
      if (change.mac !== undefined) writer.attribute(Ifla.ADDRESS, macBytes(change.mac));
      if (change.mtu !== undefined) writer.number32(Ifla.MTU, change.mtu);
      if (change.master !== undefined) writer.number32(Ifla.MASTER, change.master);
      const { isolated, hairpin } = change;
      if (isolated !== undefined || hairpin !== undefined) {
        writer.nested(Ifla.LINKINFO, () => {
          writer.string(INFO_SLAVE_KIND, 'bridge');
          writer.nested(INFO_SLAVE_DATA, () => {
            if (hairpin !== undefined) writer.number8(BRPORT_MODE, hairpin ? 1 : 0);
            if (isolated !== undefined) writer.number8(BRPORT_ISOLATED, isolated ? 1 : 0);
          });
        });
      }
      if (change.noLinkLocal) {
        writer.nested(Ifla.AF_SPEC, () => {
          writer.nested(AF_INET6, () => writer.number8(INET6_ADDR_GEN_MODE, ADDR_GEN_NONE));
        });
      }
    },
  };
}

/**
 * Shuts a port of a bridge: it passes no frame in either direction any more. Takes no grace period, as unplugging does. By
 * the bridge's own message: after any other change of a link, the kernel opens a shut port whose link is up
 * (br_port_carrier_check).
 */
export function shutPort(index: number): NetlinkRequest {
  return {
    what: `shut port ${index}`,
    type: RTM_SETLINK,
    flags: 0,
    // Gone, or no longer up.
    accept: [Errno.ENODEV, Errno.ENETDOWN, Errno.EINVAL],
    write(writer) {
      ifinfo(writer, index, undefined, AF_BRIDGE);
      writer.nested(Ifla.PROTINFO, () => writer.number8(BRPORT_STATE, BR_STATE_DISABLED));
    },
  };
}

/** Removes a link; a pair loses both ends, a bridge its ports. Not there is fine. */
export function deleteLink(link: number | string): NetlinkRequest {
  return {
    what: `delete link ${link}`,
    type: RTM_DELLINK,
    flags: 0,
    accept: [Errno.ENODEV],
    write(writer) {
      ifinfo(writer, typeof link === 'number' ? link : 0, undefined);
      if (typeof link === 'string') writer.string(Ifla.IFNAME, link);
    },
  };
}

function parseLink(message: NetlinkMessage): Link {
  const { payload } = message;
  const attributes = readAttributes(payload, IFINFO);
  const info = attributes.get(Ifla.LINKINFO);
  return {
    index: payload.readInt32LE(4),
    name: readString(attributes.get(Ifla.IFNAME)),
    kind: info ? readString(readAttributes(info).get(INFO_KIND)) : '',
    master: attributes.get(Ifla.MASTER)?.readUInt32LE(0) ?? 0,
    mtu: attributes.get(Ifla.MTU)?.readUInt32LE(0) ?? 0,
    mac: (attributes.get(Ifla.ADDRESS)?.toString('hex') ?? '').replace(/(..)(?=.)/g, '$1:'),
    up: (payload.readUInt32LE(8) & IFF_UP) !== 0,
    alias: readString(attributes.get(Ifla.IFALIAS)),
  };
}

/** The link of that name, or undefined. */
export function findLink(socket: NetlinkSocket, name: string): Link | undefined {
  try {
    const [message] = socket.query({
      what: `get link ${name}`,
      type: RTM_GETLINK,
      flags: 0,
      write(writer) {
        ifinfo(writer, 0, undefined);
        writer.string(Ifla.IFNAME, name);
        writer.number32(Ifla.EXT_MASK, SKIP_STATS);
      },
    });
    return message && parseLink(message);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.ENODEV) return undefined;
    throw error;
  }
}

/** All links of the socket's namespace. */
export function listLinks(socket: NetlinkSocket): Link[] {
  const messages = socket.query({
    what: 'list links',
    type: RTM_GETLINK,
    flags: NetlinkFlag.DUMP,
    write(writer) {
      ifinfo(writer, 0, undefined);
      writer.number32(Ifla.EXT_MASK, SKIP_STATS);
    },
  });
  return messages.filter((message) => message.type === RTM_NEWLINK).map(parseLink);
}
