import { isIPv6 } from 'node:net';
import { bareAddress } from './addressing.ts';
import type { Firewall } from './firewall.ts';
import type { EndpointSpec, GatewayMode, NetworkSpec, Publication, RestoredEndpoint } from './netdriver.ts';

/** A port that is open at the container's own address. */
export interface RoutedPort {
  readonly protocol: Publication['protocol'];
  readonly address: string;
  readonly port: number;
}

type Restored = { readonly network: NetworkSpec; readonly endpoints: readonly RestoredEndpoint[] };

export const ANY = { ipv4: '0.0.0.0', ipv6: '::' } as const;

/** The gateway mode of a family; `nat` unless the network says otherwise. */
export function gatewayMode(network: NetworkSpec, family: 'ipv4' | 'ipv6'): GatewayMode {
  return network.gatewayModes?.[family] ?? 'nat';
}

/**
 * Ports of endpoints on networks whose gateway mode is `routed`: nothing is translated and no port of the host is
 * taken; a published port is one that others may reach at the container's own address. Such publications have the
 * host port 0.
 */
export class RoutedPorts {
  readonly #firewall: Pick<Firewall, 'setRouted'>;
  readonly #open = new Map<string, Publication[]>();
  readonly #addresses = new Map<string, { ipv4: string; ipv6: string }>();

  constructor(firewall: Pick<Firewall, 'setRouted'>) {
    this.#firewall = firewall;
  }

  /** Opens what of `wanted` is routed. Returns that, and what is left to be published at ports of the host. */
  async open(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    wanted: readonly Publication[],
  ): Promise<{ routed: Publication[]; rest: Publication[] }> {
    const families = (['ipv4', 'ipv6'] as const).filter(
      (family) => gatewayMode(network, family) === 'routed',
    );
    if (families.length === 0) return { routed: [], rest: [...wanted] };
    const routed = families
      .filter((family) => endpoint[family] !== '')
      .flatMap((family) =>
        wanted.filter(({ hostIp }) => concerns(hostIp, family)).map((it) => openPort(it, family)),
      );
    const other = families.length === 2 ? undefined : families[0] === 'ipv4' ? 'ipv6' : 'ipv4';
    const rest =
      other === undefined || endpoint[other] === ''
        ? []
        : wanted
            .filter(({ hostIp }) => concerns(hostIp, other))
            .map((it) => ({ ...it, hostIp: it.hostIp || ANY[other] }));
    this.#remember(endpoint, routed);
    await this.#tell();
    return { routed, rest };
  }

  /** Closes what of `which` (all of the endpoint's without) is routed. */
  async close(endpoint: EndpointSpec, which?: readonly Publication[]): Promise<void> {
    const before = this.#open.get(endpoint.id);
    if (!before) return;
    const left = which
      ? before.filter((port) => !which.some((it) => it.hostPort === 0 && sameOpening(it, port)))
      : [];
    if (left.length > 0) this.#open.set(endpoint.id, left);
    else this.#open.delete(endpoint.id);
    await this.#tell();
  }

  /** Takes what is routed out of what an earlier daemon published. The rules come with `Firewall.restore`. */
  restore(networks: readonly Restored[]): Restored[] {
    return networks.map(({ network, endpoints }) => ({
      network,
      endpoints: endpoints.map(({ endpoint, publications }) => {
        const routed = publications.filter(({ hostPort }) => hostPort === 0);
        if (routed.length > 0) this.#remember(endpoint, routed);
        return { endpoint, publications: publications.filter(({ hostPort }) => hostPort !== 0) };
      }),
    }));
  }

  ports(): RoutedPort[] {
    return [...this.#open].flatMap(([id, publications]) =>
      publications.map(({ protocol, containerPort, hostIp }) => ({
        protocol,
        address: this.#addresses.get(id)?.[isIPv6(hostIp) ? 'ipv6' : 'ipv4'] ?? '',
        port: containerPort,
      })),
    );
  }

  #remember(endpoint: EndpointSpec, routed: readonly Publication[]): void {
    this.#open.set(endpoint.id, [...(this.#open.get(endpoint.id) ?? []), ...routed]);
    this.#addresses.set(endpoint.id, { ipv4: bareAddress(endpoint.ipv4), ipv6: bareAddress(endpoint.ipv6) });
  }

  async #tell(): Promise<void> {
    for (const id of this.#addresses.keys()) if (!this.#open.has(id)) this.#addresses.delete(id);
    await this.#firewall.setRouted(this.ports());
  }
}

function concerns(hostIp: string, family: 'ipv4' | 'ipv6'): boolean {
  return hostIp === '' || isIPv6(hostIp) === (family === 'ipv6');
}

function openPort(wanted: Publication, family: 'ipv4' | 'ipv6'): Publication {
  return { ...wanted, hostIp: ANY[family], hostPort: 0, hostPortEnd: 0 };
}

function sameOpening(one: Publication, other: Publication): boolean {
  return (
    one.protocol === other.protocol &&
    one.containerPort === other.containerPort &&
    one.hostIp === other.hostIp
  );
}
