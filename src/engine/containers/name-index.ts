import { bareAddress, parseAddress } from '../../netdriver/addressing.ts';
import type { NamedAddresses, NameSource } from '../../netdriver/dns/dns.ts';
import type { ContainerSet } from './container-set.ts';
import { hasNames, namesIn } from './endpoints.ts';
import { isAlive } from './lifecycle.ts';
import type { ContainerEndpoint } from './model.ts';

interface Names {
  readonly networkName: string;
  readonly byName: Map<string, { ipv4: string[]; ipv6: string[] }>;
  readonly byAddress: Map<string, string>;
}

/** Names and addresses of living containers, network by network, as the resolver asks for them. */
export class NameIndex implements NameSource {
  readonly #set: Pick<ContainerSet, 'list' | 'byId' | 'namesVersion'>;
  #version = -1;
  #networks = new Map<string, Names>();

  constructor(set: Pick<ContainerSet, 'list' | 'byId' | 'namesVersion'>) {
    this.#set = set;
  }

  get version(): number {
    return this.#set.namesVersion;
  }

  addresses(containerId: string, name: string): NamedAddresses | undefined {
    const networks = this.#current();
    const own = this.#endpointsOf(containerId);
    for (const endpoint of own) {
      const names = networks.get(endpoint.networkId);
      if (!names) continue;
      // A link is a name that only this container knows.
      const linked = targetOfLink(endpoint, name) ?? name;
      const found = names.byName.get(linked) ?? names.byName.get(withoutNetwork(linked, names.networkName));
      if (found) return found;
    }
    return undefined;
  }

  nameOf(containerId: string, address: string): string | undefined {
    const networks = this.#current();
    for (const { networkId } of this.#endpointsOf(containerId)) {
      const found = networks.get(networkId)?.byAddress.get(keyOf(address));
      if (found) return found;
    }
    return undefined;
  }

  #endpointsOf(containerId: string): readonly ContainerEndpoint[] {
    return this.#set.byId(containerId)?.endpoints.filter(hasNames) ?? [];
  }

  /** Made again only when a container has changed since. */
  #current(): Map<string, Names> {
    if (this.#version === this.#set.namesVersion) return this.#networks;
    this.#version = this.#set.namesVersion;
    this.#networks = new Map();
    // The oldest first: a name that two containers claim is then given in their order.
    for (const container of this.#set.list().reverse()) {
      if (!isAlive(container.state)) continue;
      for (const endpoint of container.endpoints) {
        if (!hasNames(endpoint) || endpoint.endpointId === '') continue;
        this.#add(endpoint, namesIn(container, endpoint), container.name);
      }
    }
    return this.#networks;
  }

  #add(endpoint: ContainerEndpoint, names: readonly string[], owner: string): void {
    const { networkId, networkName } = endpoint;
    let network = this.#networks.get(networkId);
    if (!network) {
      network = { networkName: networkName.toLowerCase(), byName: new Map(), byAddress: new Map() };
      this.#networks.set(networkId, network);
    }
    const ipv4 = bareAddress(endpoint.ipv4);
    const ipv6 = bareAddress(endpoint.ipv6);
    for (const name of new Set(names.map((given) => given.toLowerCase()))) {
      const addresses = network.byName.get(name) ?? { ipv4: [], ipv6: [] };
      if (ipv4) addresses.ipv4.push(ipv4);
      if (ipv6) addresses.ipv6.push(ipv6);
      network.byName.set(name, addresses);
    }
    for (const address of [ipv4, ipv6]) {
      if (address) network.byAddress.set(keyOf(address), `${owner}.${networkName}`);
    }
  }
}

/** `--link other:alias` on a custom network. */
function targetOfLink(endpoint: ContainerEndpoint, name: string): string | undefined {
  for (const link of endpoint.settings.links) {
    const [target = '', alias = target] = link.split(':');
    if (alias.toLowerCase() === name) return target.replace(/^\//, '').toLowerCase();
  }
  return undefined;
}

/** `db.backend` is `db` of the network `backend`. */
function withoutNetwork(name: string, network: string): string {
  return name.endsWith(`.${network}`) ? name.slice(0, -network.length - 1) : name;
}

/** The same for every way to write an address. */
function keyOf(address: string): string {
  const { value, bits } = parseAddress(address);
  return `${bits} ${value}`;
}
