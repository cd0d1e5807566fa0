import { writeFileSync } from 'node:fs';
import { TareError } from '../base/errors.ts';
import { codeOf } from '../kernel/errno.ts';
import { insideNetwork } from '../kernel/namespaces.ts';
import { AF_INET, AF_INET6, addAddress } from '../kernel/netlink/addresses.ts';
import { findLink, setLink } from '../kernel/netlink/links.ts';
import { addDefaultRoute, addDeviceRoute } from '../kernel/netlink/routes.ts';
import { NetlinkProtocol, NetlinkSocket } from '../kernel/netlink/socket.ts';
import { bareAddress, parseCidr } from './addressing.ts';
import { setIPv6 } from './namespaces.ts';
import type { EndpointSpec, NetworkNamespace, NetworkSpec } from './netdriver.ts';

/** Names the interface, gives it addresses and routes, and brings it up, inside the namespace. */
export function configureEndpoint(
  network: NetworkSpec,
  endpoint: EndpointSpec,
  ns: NetworkNamespace,
  prepared: boolean,
): void {
  const addresses = [endpoint.ipv4, endpoint.ipv6, ...(endpoint.extraAddresses ?? [])].filter(Boolean);
  const ipv6 = addresses.some((address) => address.includes(':'));
  const socket = insideNetwork(ns.fd, () => {
    // A prepared interface was born without IPv6.
    if (ipv6 || !prepared) setIPv6(endpoint.interfaceName, ipv6);
    for (const [path, value] of endpoint.sysctls ?? []) writeSetting(path, value);
    return NetlinkSocket.open(NetlinkProtocol.ROUTE);
  });
  try {
    const link = findLink(socket, endpoint.interfaceName);
    if (!link) {
      throw new TareError('internal', `the interface ${endpoint.interfaceName} vanished while it was set up`);
    }
    // An ipvlan has the address of what it lies on.
    const mac = network.driver === 'ipvlan' ? {} : { mac: endpoint.macAddress };
    const requests = [setLink(link.index, { ...mac, up: true })];
    for (const address of addresses) requests.push(addAddress(link.index, address));
    if (endpoint.defaultGateway && !network.internal) {
      for (const gateway of gatewaysFor(network, endpoint))
        requests.push(addDefaultRoute(gateway, link.index));
    }
    // Without frames there is nobody to ask for the way: everything goes to the link below.
    if (network.parent?.mode.startsWith('l3') && !network.internal) {
      if (endpoint.ipv4) requests.push(addDeviceRoute(AF_INET, link.index));
      if (endpoint.ipv6) requests.push(addDeviceRoute(AF_INET6, link.index));
    }
    socket.execute(requests);
  } finally {
    socket.close();
  }
}

/** The gateways of the subnets that the endpoint has an address in. */
function gatewaysFor(network: NetworkSpec, endpoint: EndpointSpec): string[] {
  const result: string[] = [];
  for (const address of [endpoint.ipv4, endpoint.ipv6]) {
    if (!address) continue;
    const own = parseCidr(address);
    const subnet = network.subnets.find((candidate) => {
      const cidr = parseCidr(candidate.subnet);
      return cidr.bits === own.bits && cidr.base === own.base;
    });
    if (subnet?.gateway) result.push(bareAddress(subnet.gateway));
  }
  return result;
}

function writeSetting(path: string, value: string): void {
  try {
    writeFileSync(`/proc/sys/${path}`, value);
  } catch (error) {
    const name = path.replaceAll('/', '.');
    const why =
      codeOf(error) === 'ENOENT' ? 'this kernel has no such setting' : 'the kernel refuses the value';
    throw new TareError('invalid', `cannot set ${name} to ${value}: ${why}`, error);
  }
}
