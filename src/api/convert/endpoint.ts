import { shortId } from '../../base/ids.ts';
import type { Container, ContainerEndpoint, PublishedPort } from '../../engine/containers/model.ts';
import type { EndpointSettings, NetworkSettings, Port, PortMap } from '../../wire/containers.ts';
import { endpointCodec } from '../codec/endpoint.ts';

/** Splits `172.17.0.2/16`; empty gives an empty address and 0. */
export function splitPrefix(address: string): { ip: string; prefix: number } {
  const cut = address.indexOf('/');
  return cut < 0
    ? { ip: address, prefix: 0 }
    : { ip: address.slice(0, cut), prefix: Number(address.slice(cut + 1)) };
}

/** True while the container's namespaces exist: only then its endpoints are connected. */
export function isAlive(container: Container): boolean {
  return container.state.status === 'running' || container.state.status === 'paused';
}

/** One endpoint as asked for and as reached. `version` is the API's minor number. */
export function endpointToWire(
  container: Container,
  endpoint: ContainerEndpoint,
  version: number,
): EndpointSettings {
  const asked = endpointCodec.encode(endpoint.settings) as Pick<
    EndpointSettings,
    'IPAMConfig' | 'Links' | 'Aliases' | 'MacAddress' | 'DriverOpts' | 'GwPriority'
  >;
  const alive = isAlive(container);
  const v4 = splitPrefix(alive ? endpoint.ipv4 : '');
  const v6 = splitPrefix(alive ? endpoint.ipv6 : '');
  const wire: EndpointSettings = {
    IPAMConfig: asked.IPAMConfig,
    Links: asked.Links,
    Aliases: asked.Aliases,
    MacAddress: alive ? endpoint.macAddress : asked.MacAddress,
    DriverOpts: asked.DriverOpts,
    GwPriority: asked.GwPriority,
    NetworkID: endpoint.networkId,
    EndpointID: alive ? endpoint.endpointId : '',
    Gateway: alive ? endpoint.gateway : '',
    IPAddress: v4.ip,
    IPPrefixLen: v4.prefix,
    IPv6Gateway: alive ? endpoint.ipv6Gateway : '',
    GlobalIPv6Address: v6.ip,
    GlobalIPv6PrefixLen: v6.prefix,
    DNSNames: dnsNames(container, endpoint),
  };
  if (version < 44) Reflect.deleteProperty(wire, 'DNSNames');
  if (version < 48) Reflect.deleteProperty(wire, 'GwPriority');
  return wire;
}

/** Names that others in a custom network find it by; the predefined networks have no DNS. */
function dnsNames(container: Container, endpoint: ContainerEndpoint): string[] | null {
  if (['bridge', 'host', 'none'].includes(endpoint.networkName)) return null;
  const names = [container.name, ...endpoint.settings.aliases, shortId(container.id)];
  if (container.config.hostname !== '') names.push(container.config.hostname);
  return [...new Set(names)];
}

/** All endpoints by network name. */
export function endpointsToWire(container: Container, version: number): Record<string, EndpointSettings> {
  return Object.fromEntries(
    container.endpoints.map((endpoint) => [
      endpoint.networkName,
      endpointToWire(container, endpoint, version),
    ]),
  );
}

/** Ports of a living container: published ones with their bindings, exposed ones with null. */
export function portMap(container: Container): PortMap {
  const map: PortMap = {};
  if (!isAlive(container)) return map;
  for (const port of Object.keys(container.config.exposedPorts)) map[withProtocol(port)] = null;
  for (const port of container.ports) {
    const key = `${port.containerPort}/${port.protocol}`;
    const bindings = map[key] ?? [];
    bindings.push({
      HostIp: port.hostIp,
      HostPort: port.hostPort === 0 ? '' : String(port.hostPort),
      ...problemOf(port),
    });
    map[key] = bindings;
  }
  return map;
}

/** Beyond Docker: that another program listens there too. */
function problemOf({ taken }: PublishedPort): { Problem?: string } {
  return taken ? { Problem: 'taken by another program' } : {};
}

function withProtocol(port: string): string {
  return port.includes('/') ? port : `${port}/tcp`;
}

/** Ports of a living container as `ps` lists them. */
export function portList(container: Container): Port[] {
  if (!isAlive(container)) return [];
  const ports: Port[] = container.ports.map((port) => ({
    // A routed network's port is open at the container's own address.
    ...(port.hostPort === 0 ? {} : { IP: port.hostIp, PublicPort: port.hostPort }),
    PrivatePort: port.containerPort,
    Type: port.protocol,
    ...problemOf(port),
  }));
  const published = new Set(ports.map((port) => `${port.PrivatePort}/${port.Type}`));
  for (const exposed of Object.keys(container.config.exposedPorts)) {
    const key = withProtocol(exposed);
    if (published.has(key)) continue;
    const [number, type] = key.split('/');
    ports.push({ PrivatePort: Number(number), Type: type ?? 'tcp' });
  }
  return ports;
}

/** `NetworkSettings` of inspect; the fields beside `Networks` are those of the default bridge. */
export function networkSettings(container: Container, version: number): NetworkSettings {
  const networks = endpointsToWire(container, version);
  const bridge = networks.bridge;
  const alive = isAlive(container);
  return {
    Bridge: '',
    SandboxID: alive ? container.id : '',
    SandboxKey: alive && container.state.pid > 0 ? `/proc/${container.state.pid}/ns/net` : '',
    Ports: portMap(container),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: bridge?.EndpointID ?? '',
    Gateway: bridge?.Gateway ?? '',
    GlobalIPv6Address: bridge?.GlobalIPv6Address ?? '',
    GlobalIPv6PrefixLen: bridge?.GlobalIPv6PrefixLen ?? 0,
    IPAddress: bridge?.IPAddress ?? '',
    IPPrefixLen: bridge?.IPPrefixLen ?? 0,
    IPv6Gateway: bridge?.IPv6Gateway ?? '',
    MacAddress: bridge?.MacAddress ?? '',
    Networks: networks,
  };
}
