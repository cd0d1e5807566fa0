import { Errno } from '../errno.ts';
import { AF_INET, AF_INET6, ipBytes, ipText } from './addresses.ts';
import { NetlinkFlag, type NetlinkWriter, readAttributes } from './message.ts';
import type { NetlinkRequest, NetlinkSocket } from './socket.ts';

const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;
const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_TABLE = 15;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;
/** Blackhole, unreachable, prohibit, throw: routes that lead to no link, yet say whose the addresses are. */
const RTN_BLACKHOLE = 6;
const RTN_THROW = 9;
const RTMSG = 12;

/** The default route of the gateway's family, out of link `index`. There already is fine. */
export function addDefaultRoute(gateway: string, index: number): NetlinkRequest {
  const bytes = ipBytes(gateway);
  const family = bytes.length === 4 ? AF_INET : AF_INET6;
  return defaultRoute(`add default route via ${gateway}`, family, RT_SCOPE_UNIVERSE, (writer) => {
    writer.attribute(RTA_GATEWAY, bytes);
    writer.number32(RTA_OIF, index);
  });
}

/** A default route straight out of link `index`, for links that ask nobody for the next hop. There already is fine. */
export function addDeviceRoute(family: typeof AF_INET | typeof AF_INET6, index: number): NetlinkRequest {
  const scope = family === AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  return defaultRoute('add default route', family, scope, (writer) => writer.number32(RTA_OIF, index));
}

function defaultRoute(
  what: string,
  family: number,
  scope: number,
  more: (writer: NetlinkWriter) => void,
): NetlinkRequest {
  return {
    what,
    type: RTM_NEWROUTE,
    flags: NetlinkFlag.CREATE | NetlinkFlag.EXCL,
    accept: [Errno.EEXIST],
    write(writer) {
      writer.u8(family);
      writer.u8(0);
      writer.u8(0);
      writer.u8(0);
      writer.u8(RT_TABLE_MAIN);
      writer.u8(RTPROT_BOOT);
      writer.u8(scope);
      writer.u8(RTN_UNICAST);
      writer.u32(0);
      more(writer);
    },
  };
}

/** Takes a route of the table `main` away; gone already is fine. */
export function deleteRoute(route: Route): NetlinkRequest {
  const [address = '', prefix] = route.destination.split('/');
  const bytes = ipBytes(address);
  return {
    what: `delete route ${route.destination}`,
    type: RTM_DELROUTE,
    flags: 0,
    accept: [Errno.ESRCH],
    write(writer) {
      writer.u8(bytes.length === 4 ? AF_INET : AF_INET6);
      writer.u8(Number(prefix));
      for (const zero of [0, 0]) writer.u8(zero);
      writer.u8(RT_TABLE_MAIN);
      for (const zero of [0, RT_SCOPE_UNIVERSE, 0]) writer.u8(zero);
      writer.u32(0);
      if (Number(prefix) > 0) writer.attribute(RTA_DST, bytes);
      if (route.gateway !== '') writer.attribute(RTA_GATEWAY, ipBytes(route.gateway));
      writer.number32(RTA_OIF, route.index);
    },
  };
}

/** A route to one destination or to nowhere, of any table but `local`. */
export interface Route {
  /** CIDR; `0.0.0.0/0` or `::/0` for a default route. */
  readonly destination: string;
  /** Index of the link that it leaves by, 0 for none. */
  readonly index: number;
  /** Empty for a directly connected net. */
  readonly gateway: string;
  readonly table: number;
}

/** The routes of one family, of all tables: a VPN may keep its own in another than `main`. */
export function listRoutes(socket: NetlinkSocket, family: typeof AF_INET | typeof AF_INET6): Route[] {
  const messages = socket.query({
    what: 'list routes',
    type: RTM_GETROUTE,
    flags: NetlinkFlag.DUMP,
    write(writer) {
      writer.u8(family);
      for (let index = 1; index < RTMSG; index++) writer.u8(0);
    },
  });
  const result: Route[] = [];
  for (const { type, payload } of messages) {
    if (type !== RTM_NEWROUTE) continue;
    const kind = payload.readUInt8(7);
    if (kind !== RTN_UNICAST && (kind < RTN_BLACKHOLE || kind > RTN_THROW)) continue;
    const attributes = readAttributes(payload, RTMSG);
    const any = family === AF_INET ? '0.0.0.0' : '::';
    const destination = attributes.get(RTA_DST);
    const gateway = attributes.get(RTA_GATEWAY);
    result.push({
      destination: `${destination ? ipText(destination) : any}/${payload.readUInt8(1)}`,
      index: attributes.get(RTA_OIF)?.readUInt32LE(0) ?? 0,
      gateway: gateway ? ipText(gateway) : '',
      table: attributes.get(RTA_TABLE)?.readUInt32LE(0) ?? payload.readUInt8(4),
    });
  }
  return result;
}
