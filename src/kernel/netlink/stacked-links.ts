import { Errno } from '../errno.ts';
import { Ifla, INFO_DATA, INFO_KIND, ifinfo, macBytes, RTM_NEWLINK } from './links.ts';
import { NetlinkFlag, type NetlinkWriter } from './message.ts';
import type { NetlinkRequest } from './socket.ts';

/** include/uapi/linux/if_link.h: the data of links that lie on another link. */
const IFLA_MACVLAN_MODE = 1;
const IFLA_IPVLAN_MODE = 1;
const IFLA_IPVLAN_FLAGS = 2;
const IFLA_VLAN_ID = 1;

export const MACVLAN_MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
export const IPVLAN_MODES = { l2: 0, l3: 1, l3s: 2 } as const;
export const IPVLAN_FLAGS = { bridge: 0, private: 1, vepa: 2 } as const;

/** How the new link shares the one below. */
export type Stacking =
  | { readonly kind: 'macvlan'; readonly mode: keyof typeof MACVLAN_MODES }
  | {
      readonly kind: 'ipvlan';
      readonly mode: keyof typeof IPVLAN_MODES;
      readonly flag: keyof typeof IPVLAN_FLAGS;
    };

function newLink(
  what: string,
  kind: string,
  name: string,
  more: (writer: NetlinkWriter) => void,
  data?: (writer: NetlinkWriter) => void,
): NetlinkRequest {
  return {
    what,
    type: RTM_NEWLINK,
    flags: NetlinkFlag.CREATE | NetlinkFlag.EXCL,
    write(writer) {
      ifinfo(writer, 0, undefined);
      writer.string(Ifla.IFNAME, name);
      more(writer);
      writer.nested(Ifla.LINKINFO, () => {
        writer.string(INFO_KIND, kind);
        if (data) writer.nested(INFO_DATA, () => data(writer));
      });
    },
  };
}

/**
 * A link on top of link `parent` (its index in the socket's namespace), born in the namespace of a descriptor, down.
 * EOPNOTSUPP: the kernel has no such links; EBUSY: something else has the parent, a bridge for example.
 */
export function newStackedLink(options: {
  name: string;
  parent: number;
  namespace: number;
  stacking: Stacking;
  mac?: string;
  mtu?: number;
}): NetlinkRequest {
  const { stacking } = options;
  return newLink(
    `add ${stacking.kind} ${options.name}`,
    stacking.kind,
    options.name,
    (writer) => {
      writer.number32(Ifla.LINK, options.parent);
      if (options.mac) writer.attribute(Ifla.ADDRESS, macBytes(options.mac));
      if (options.mtu) writer.number32(Ifla.MTU, options.mtu);
      writer.number32(Ifla.NET_NS_FD, options.namespace);
    },
    (writer) => {
      if (stacking.kind === 'macvlan') {
        writer.number32(IFLA_MACVLAN_MODE, MACVLAN_MODES[stacking.mode]);
      } else {
        writer.number16(IFLA_IPVLAN_MODE, IPVLAN_MODES[stacking.mode]);
        const flag = IPVLAN_FLAGS[stacking.flag];
        if (flag !== 0) writer.number16(IFLA_IPVLAN_FLAGS, flag);
      }
    },
  );
}

/**
 * Asks for a link of that kind without saying on which one. The kernel always refuses: with EOPNOTSUPP when it has no
 * such links and no module for them, else for the missing parent.
 */
export function probeKind(kind: string): NetlinkRequest {
  return newLink(
    `probe ${kind}`,
    kind,
    'tare-probe',
    () => {},
    () => {},
  );
}

/** A sub-interface of link `parent` for the frames of VLAN `id`, down. `alias` says whose it is. */
export function newVlan(name: string, parent: number, id: number, alias: string): NetlinkRequest {
  return newLink(
    `add VLAN ${name}`,
    'vlan',
    name,
    (writer) => {
      writer.number32(Ifla.LINK, parent);
      writer.string(Ifla.IFALIAS, alias);
    },
    (writer) => writer.number16(IFLA_VLAN_ID, id),
  );
}

/** A link that leads nowhere, down. There already is fine. */
export function newDummy(name: string, alias: string): NetlinkRequest {
  const request = newLink(`add dummy ${name}`, 'dummy', name, (writer) => writer.string(Ifla.IFALIAS, alias));
  return { ...request, accept: [Errno.EEXIST] };
}
