import type { Logger } from '../base/log.ts';
import { NetlinkProtocol, NetlinkSocket } from '../kernel/netlink/socket.ts';
import { BridgeDriver } from './bridge.ts';
import { BridgeGroups } from './bridge-groups.ts';
import { Firewall } from './firewall.ts';
import { HostNetworks } from './host-networks.ts';
import { HeldNamespaces } from './namespaces.ts';
import type { NamespacePool, NetworkDriver, PortNotice } from './netdriver.ts';
import { PassiveDriver } from './passive.ts';
import { PublishedPorts } from './published-ports.ts';
import { StackedDriver } from './stacked.ts';

/** The drivers and what they share, in the network namespace that the daemon lives in. */
export interface Networking {
  readonly drivers: readonly NetworkDriver[];
  readonly namespaces: NamespacePool;
  readonly host: HostNetworks;
  /** Takes our table and our rules in foreign chains away, for an uninstall and for tests. */
  dismantle(): Promise<void>;
  /** Call after the drivers' and the pool's own `close`. */
  close(): void;
}

/**
 * `table` is the daemon's nftables table in family `inet`: `tare`, and another name for each further daemon.
 * With `filtered` published ports obey the host's own input policy. `onPort`
 * hears of each published port that was taken by another program after a restart, or that could be held.
 */
export function openNetworking(options: {
  table: string;
  filtered?: boolean;
  log: Logger;
  onPort?: (notice: PortNotice) => void;
  /** Interfaces that a bridge takes; tests lower it. */
  portLimit?: number | undefined;
}): Networking {
  const { log, onPort = () => {} } = options;
  const route = NetlinkSocket.open(NetlinkProtocol.ROUTE);
  const firewall = new Firewall({ table: options.table, filtered: options.filtered ?? false, log });
  const ports = new PublishedPorts({ firewall, notify: onPort, log });
  const bridges = new BridgeGroups({ route, portLimit: options.portLimit });
  const bridge = new BridgeDriver({ route, bridges, ports, firewall, log });
  return {
    drivers: [
      bridge,
      new StackedDriver('macvlan', { route, log }),
      new StackedDriver('ipvlan', { route, log }),
      new PassiveDriver('host'),
      new PassiveDriver('null'),
    ],
    namespaces: new HeldNamespaces({ route, bridges, log }),
    host: new HostNetworks({ route }),
    dismantle: () => ports.dismantle(),
    close: () => route.close(),
  };
}

/** The table's name for a daemon: `tare` for the default bridge, else one that only it has. */
export function tableNameFor(bridge: string): string {
  return bridge === 'tare0' ? 'tare' : `tare-${bridge.replaceAll(/[^\w-]/g, '_')}`;
}
