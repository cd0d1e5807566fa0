import { isIPv6 } from 'node:net';
import { newId } from '../../base/ids.ts';
import { bareAddress, macOf, parseCidr } from '../../netdriver/addressing.ts';
import { NetworkAddresses } from '../../netdriver/ipam.ts';
import type { EndpointSpec } from '../../netdriver/netdriver.ts';
import { newHostInterface } from '../../netdriver/plug.ts';
import type { ContainerEndpoint, EndpointSettings } from '../containers/model.ts';
import { checkEndpointSettings, EndpointOption, endpointSysctls } from './endpoint-settings.ts';
import type { Network } from './networks.ts';

/** An endpoint that holds addresses now. */
export interface ActiveEndpoint {
  readonly networkId: string;
  readonly containerId: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** Endpoints of the past whose addresses are kept in mind; of most containers there will be no next start. */
const REMEMBERED = 4096;

/**
 * Who holds which address, in memory. There are no rows for it: a container's row names its endpoints, and after
 * a restart `claim` is told of each again, so a container's start costs no commit here.
 */
export class Endpoints {
  readonly #addresses = new Map<string, NetworkAddresses>();
  readonly #active = new Map<string, ActiveEndpoint>();
  /**
   * What containers had last, by network and container, the latest last. They get it again when it is still free:
   * nginx and the like ask for a name once, at their start, and hold on to the address.
   */
  readonly #before = new Map<string, ActiveEndpoint>();

  /** Makes an endpoint with addresses of its own. Throws `invalid`, `forbidden`, `exhausted`. */
  allocate(
    network: Network,
    containerId: string,
    settings: EndpointSettings,
    index: number,
  ): ContainerEndpoint {
    checkEndpointSettings(network, settings);
    const addresses = this.#addressesOf(network);
    const before = this.#before.get(keyOf(network.id, containerId));
    const take = (bits: 32 | 128, wanted: string, last = ''): string =>
      wanted ? addresses.take(bits, wanted) : addresses.takeAgain(bits, last);
    const ipv4 = take(32, settings.ipv4Address, before?.ipv4);
    let ipv6 = '';
    try {
      if (network.enableIPv6) ipv6 = take(128, settings.ipv6Address, before?.ipv6);
    } catch (error) {
      addresses.release(ipv4);
      throw error;
    }
    const endpointId = newId();
    this.#active.set(endpointId, { networkId: network.id, containerId, ipv4, ipv6 });
    const linked = ipv4 !== '' || ipv6 !== '';
    const ifname = settings.driverOpts[EndpointOption.IFNAME];
    const mac = settings.macAddress.replaceAll('-', ':').toLowerCase() || (ipv4 && macOf(ipv4));
    return {
      networkId: network.id,
      networkName: network.name,
      endpointId,
      settings,
      interfaceName: linked ? ifname || `eth${index}` : '',
      hostInterface: linked && network.driver === 'bridge' ? newHostInterface() : '',
      macAddress: network.driver === 'ipvlan' ? '' : mac,
      ipv4,
      ipv6,
      gateway: leadsOut(network) ? gatewayOf(network, ipv4) : '',
      ipv6Gateway: leadsOut(network) ? gatewayOf(network, ipv6) : '',
      defaultGateway: false,
    };
  }

  /** Takes what an endpoint held before a restart. Returns the addresses that another one holds already. */
  claim(network: Network, endpoint: ContainerEndpoint, containerId: string): string[] {
    const { ipv4, ipv6, endpointId } = endpoint;
    this.#active.set(endpointId, { networkId: network.id, containerId, ipv4, ipv6 });
    const addresses = this.#addressesOf(network);
    return [ipv4, ipv6].filter((address) => address !== '' && !addresses.restore(address));
  }

  /** By the endpoint's id: its address may have gone to another since it was released. */
  release(endpointId: string): void {
    const active = this.#active.get(endpointId);
    if (!active) return;
    this.#active.delete(endpointId);
    this.#remember(active);
    const addresses = this.#addresses.get(active.networkId);
    addresses?.release(active.ipv4);
    addresses?.release(active.ipv6);
  }

  activeIn(networkId: string): ActiveEndpoint[] {
    return [...this.#active.values()].filter((endpoint) => endpoint.networkId === networkId);
  }

  /** Forgets a network's addresses, because it goes or gets other subnets. */
  forgetNetwork(networkId: string): void {
    this.#addresses.delete(networkId);
    for (const [key, before] of this.#before) if (before.networkId === networkId) this.#before.delete(key);
  }

  #remember(endpoint: ActiveEndpoint): void {
    const key = keyOf(endpoint.networkId, endpoint.containerId);
    this.#before.delete(key);
    this.#before.set(key, endpoint);
    for (const oldest of this.#before.keys()) {
      if (this.#before.size <= REMEMBERED) break;
      this.#before.delete(oldest);
    }
  }

  #addressesOf(network: Network): NetworkAddresses {
    let addresses = this.#addresses.get(network.id);
    if (!addresses) {
      addresses = new NetworkAddresses(network.subnets, `${network.name} (${network.id})`);
      this.#addresses.set(network.id, addresses);
    }
    return addresses;
  }
}

/** False for networks without a way out through a gateway of theirs. */
function leadsOut({ internal, parent }: Network): boolean {
  return !internal && !parent?.isolated && !parent?.mode.startsWith('l3');
}

function keyOf(networkId: string, containerId: string): string {
  return `${networkId} ${containerId}`;
}

/** The gateway of the subnet that the address is in; empty without one. */
function gatewayOf(network: Network, address: string): string {
  if (!address) return '';
  const own = parseCidr(address);
  const subnet = network.subnets.find((candidate) => {
    const cidr = parseCidr(candidate.subnet);
    return cidr.bits === own.bits && cidr.base === own.base;
  });
  return subnet ? bareAddress(subnet.gateway) : '';
}

/** The driver's view of a stored endpoint. */
export function endpointSpec(endpoint: ContainerEndpoint, containerId: string): EndpointSpec {
  return {
    id: endpoint.endpointId,
    networkId: endpoint.networkId,
    containerId,
    interfaceName: endpoint.interfaceName,
    hostInterface: endpoint.hostInterface,
    macAddress: endpoint.macAddress,
    ipv4: endpoint.ipv4,
    ipv6: endpoint.ipv6,
    extraAddresses: endpoint.settings.linkLocalIPs.map(
      (address) => `${address}/${isIPv6(address) ? 64 : 16}`,
    ),
    sysctls: endpointSysctls(endpoint),
    defaultGateway: endpoint.defaultGateway,
  };
}
