import { TareError } from '../../base/errors.ts';
import { newId } from '../../base/ids.ts';
import { parseCidr } from '../../netdriver/addressing.ts';
import type { CreateNetwork, Network } from './networks.ts';
import { completeSubnet } from './request.ts';

/** A row that holds a configuration only: nothing is made in the kernel. Throws `invalid` and `forbidden` in Docker's words. */
export function configurationNetwork(request: CreateNetwork, now: number): Network {
  if (request.configFrom) {
    throw new TareError(
      'forbidden',
      'a configuration network cannot depend on another configuration network',
    );
  }
  if (request.internal || request.attachable) {
    throw new TareError(
      'forbidden',
      'configuration network can only contain network specific fields. Network operator fields like [ ingress | internal | attachable | scope ] are not supported.',
    );
  }
  return {
    id: newId(),
    name: request.name,
    driver: 'null',
    bridgeName: '',
    subnets: request.subnets.map((wanted) => {
      parseCidr(wanted.subnet);
      // As asked for, so that the network made from it chooses what is left open.
      return { ...completeSubnet(wanted), gateway: wanted.gateway };
    }),
    internal: false,
    mtu: 0,
    icc: true,
    masquerade: false,
    hostBinding: '',
    createdAt: now,
    scope: 'local',
    enableIPv6: request.enableIPv6,
    attachable: false,
    labels: request.labels,
    options: request.options,
    ipamDriver: request.ipamDriver || 'default',
    ipamOptions: request.ipamOptions,
    configOnly: true,
  };
}

/**
 * A request with what its configuration says filled in. `find` gives a network by name or id. Throws `not-found` and
 * `forbidden` as Docker does.
 */
export function configured(
  request: CreateNetwork,
  find: (ref: string) => Network | undefined,
): CreateNetwork {
  if (!request.configFrom) return request;
  const source = find(request.configFrom);
  if (!source?.configOnly) {
    throw new TareError(
      'not-found',
      `configuration network ${JSON.stringify(request.configFrom)} does not exist`,
    );
  }
  const { subnets, options, ipamOptions } = request;
  const own = [subnets.length, Object.keys(options).length, Object.keys(ipamOptions).length];
  if (own.some((count) => count > 0) || request.enableIPv6) {
    throw new TareError(
      'forbidden',
      'user specified configurations are not supported if the network depends on a configuration network',
    );
  }
  return {
    ...request,
    configFrom: source.name,
    enableIPv6: source.enableIPv6,
    ipamDriver: source.ipamDriver,
    ipamOptions: source.ipamOptions,
    subnets: source.subnets.map(({ subnet, gateway, ipRange = '', auxAddresses = {} }) => ({
      ...{ subnet, gateway, ipRange, auxAddresses },
    })),
    options: source.options,
    labels: { ...source.labels, ...request.labels },
  };
}

/** Throws `forbidden` while another network was made from this configuration. */
export function checkConfigurationUnused(network: Network, all: readonly Network[]): void {
  if (!network.configOnly || !all.some((other) => other.configFrom === network.name)) return;
  throw new TareError(
    'forbidden',
    `error while removing network: configuration network ${JSON.stringify(network.name)} is in use`,
  );
}
