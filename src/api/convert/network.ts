import type { Container } from '../../engine/containers/model.ts';
import type { Network } from '../../engine/networks/networks.ts';
import type { EndpointResource, IpamConfig, NetworkResource } from '../../wire/networks.ts';
import { rfc3339 } from '../time.ts';
import { isAlive } from './endpoint.ts';

/** A network without its containers. */
export function networkToWire(network: Network): NetworkResource {
  return {
    Name: network.name,
    Id: network.id,
    Created: rfc3339(network.createdAt),
    Scope: network.scope,
    Driver: network.driver,
    EnableIPv4: true,
    EnableIPv6: network.enableIPv6,
    IPAM: {
      Driver: network.ipamDriver || 'default',
      Options: Object.keys(network.ipamOptions).length === 0 ? null : { ...network.ipamOptions },
      Config: network.subnets.map((subnet) => {
        const config: IpamConfig = { Subnet: subnet.subnet };
        if (subnet.ipRange !== undefined && subnet.ipRange !== '') config.IPRange = subnet.ipRange;
        if (subnet.gateway !== '') config.Gateway = subnet.gateway;
        if (Object.keys(subnet.auxAddresses ?? {}).length > 0) {
          config.AuxiliaryAddresses = { ...subnet.auxAddresses };
        }
        return config;
      }),
    },
    Internal: network.internal,
    Attachable: network.attachable,
    Ingress: false,
    ConfigFrom: { Network: network.configFrom ?? '' },
    ConfigOnly: network.configOnly ?? false,
    Options: { ...network.options },
    Labels: { ...network.labels },
  };
}

/** Endpoints of living containers in a network, by container id. */
export function networkContainers(
  network: Network,
  containers: readonly Container[],
): Record<string, EndpointResource> {
  const result: Record<string, EndpointResource> = {};
  for (const container of containers) {
    if (!isAlive(container)) continue;
    const endpoint = container.endpoints.find((candidate) => candidate.networkId === network.id);
    if (endpoint === undefined) continue;
    result[container.id] = {
      Name: container.name,
      EndpointID: endpoint.endpointId,
      MacAddress: endpoint.macAddress,
      IPv4Address: endpoint.ipv4,
      IPv6Address: endpoint.ipv6,
    };
  }
  return result;
}
