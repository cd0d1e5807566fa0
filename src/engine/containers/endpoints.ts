import { isPredefined } from '../networks/request.ts';
import type { Container, ContainerEndpoint, EndpointSettings } from './model.ts';

/** Settings of an endpoint that nobody asked anything for. */
export function noSettings(macAddress = ''): EndpointSettings {
  return {
    ipv4Address: '',
    ipv6Address: '',
    linkLocalIPs: [],
    links: [],
    aliases: [],
    macAddress,
    driverOpts: {},
    gwPriority: 0,
  };
}

/** An endpoint of a container that does not run: a place in a network, and nothing held there. */
export function restingEndpoint(
  network: { readonly id: string; readonly name: string },
  settings: EndpointSettings,
): ContainerEndpoint {
  return {
    networkId: network.id,
    networkName: network.name,
    endpointId: '',
    settings,
    interfaceName: '',
    hostInterface: '',
    macAddress: '',
    ipv4: '',
    ipv6: '',
    gateway: '',
    ipv6Gateway: '',
    defaultGateway: false,
  };
}

/**
 * Marks the endpoint that default routes and published ports go through: of those with a way out the one with the
 * highest priority, by name among equals, as Docker chooses.
 */
export function withGateway(endpoints: readonly ContainerEndpoint[]): ContainerEndpoint[] {
  const [chosen] = endpoints
    .filter(({ gateway, ipv6Gateway }) => gateway !== '' || ipv6Gateway !== '')
    .toSorted(
      (a, b) =>
        b.settings.gwPriority - a.settings.gwPriority ||
        (a.networkName < b.networkName ? -1 : a.networkName > b.networkName ? 1 : 0),
    );
  return endpoints.map((endpoint) => {
    const defaultGateway = endpoint === chosen;
    return endpoint.defaultGateway === defaultGateway ? endpoint : { ...endpoint, defaultGateway };
  });
}

/** The endpoint that published ports lead to. */
export function publishingEndpoint(endpoints: readonly ContainerEndpoint[]): ContainerEndpoint | undefined {
  return endpoints.find((endpoint) => endpoint.defaultGateway);
}

/** The lowest N of `ethN` that no endpoint has. */
export function freeInterfaceIndex(endpoints: readonly ContainerEndpoint[]): number {
  const taken = new Set(endpoints.map(({ interfaceName }) => interfaceName));
  for (let index = 0; ; index++) if (!taken.has(`eth${index}`)) return index;
}

/** Others find the container by name there: in networks that users made, not in the predefined ones. */
export function hasNames(endpoint: Pick<ContainerEndpoint, 'networkName'>): boolean {
  return !isPredefined(endpoint.networkName);
}

/** Names that others in the endpoint's network find the container by, as `inspect` shows under DNSNames. */
export function namesIn(container: Container, endpoint: ContainerEndpoint): string[] {
  const { name, id, config } = container;
  const names = [name, ...endpoint.settings.aliases, id.slice(0, 12)];
  if (config.hostname !== '') names.push(config.hostname);
  return [...new Set(names)];
}
