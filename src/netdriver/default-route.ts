import { AF_INET, AF_INET6 } from '../kernel/netlink/addresses.ts';
import { findLink } from '../kernel/netlink/links.ts';
import { addDefaultRoute, deleteRoute, listRoutes } from '../kernel/netlink/routes.ts';
import { NetlinkProtocol, NetlinkSocket } from '../kernel/netlink/socket.ts';
import type { DefaultRoute, NetworkNamespace } from './netdriver.ts';

const ANYWHERE = new Set(['0.0.0.0/0', '::/0']);
const RT_TABLE_MAIN = 254;

/** Replaces the default routes of the namespace, in one call to the kernel; what others put in other tables stays. */
export function replaceDefaultRoutes(ns: NetworkNamespace, through: DefaultRoute | undefined): void {
  const socket = NetlinkSocket.open(NetlinkProtocol.ROUTE, ns.fd);
  try {
    const old = ([AF_INET, AF_INET6] as const)
      .flatMap((family) => listRoutes(socket, family))
      .filter(({ destination, table, gateway }) => {
        return ANYWHERE.has(destination) && table === RT_TABLE_MAIN && gateway !== '';
      });
    const link = through && findLink(socket, through.interfaceName);
    socket.execute([
      ...old.map((route) => deleteRoute(route)),
      ...(link ? through.gateways.map((gateway) => addDefaultRoute(gateway, link.index)) : []),
    ]);
  } finally {
    socket.close();
  }
}
