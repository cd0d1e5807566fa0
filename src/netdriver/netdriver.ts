/**
 * A network driver gives a container's network namespace a place in a network.
 *
 * - A *network* is what containers are joined to: for the bridge driver a Linux bridge with subnets, for the macvlan
 *   and ipvlan drivers a link of the host that the containers' interfaces lie on.
 * - A *namespace* is a network namespace held open by a descriptor of the daemon's; nothing is bound to a file,
 *   so it goes away with its last process or descriptor. After a restart of the daemon it is found again by the
 *   container's pid (`/proc/PID/ns/net`).
 * - An *endpoint* is one container's interface in one network, with its addresses.
 * - A *publication* is a host port that leads to an endpoint's port.
 *
 * Drivers keep no state that they cannot rebuild: networks, endpoints and publications are the caller's rows,
 * handed in again by `restore` after a restart.
 *
 * Example: `await driver.createNetwork(net)` makes the bridge. At a container's start:
 * `const ns = await namespaces.take('bridge-id')`, `await driver.join(net, endpoint, ns)`,
 * `await driver.publish(net, endpoint, publications)`. At its end: `unpublish`, `leave`, `ns.close()`.
 */
export interface NetworkDriver {
  /** Docker's driver name: `bridge`, `macvlan`, `ipvlan`, `host`, `null`. */
  readonly name: string;
  /** Makes what the network needs in the kernel, or repairs it. Idempotent. Throws `conflict`, `invalid`. */
  createNetwork(network: NetworkSpec): Promise<void>;
  /** Takes it away. Idempotent. */
  removeNetwork(network: NetworkSpec): Promise<void>;
  /** Puts an interface with the endpoint's addresses and routes into `ns`. */
  join(network: NetworkSpec, endpoint: EndpointSpec, ns: NetworkNamespace): Promise<void>;
  /** Removes the endpoint's interface if it is still there. Idempotent; the namespace may be gone already. */
  leave(network: NetworkSpec, endpoint: EndpointSpec): Promise<void>;
  /** Takes the endpoint's interface out of `ns`, which lives on; resolves when it is gone. Idempotent. */
  unplug(network: NetworkSpec, endpoint: EndpointSpec, ns: NetworkNamespace): Promise<void>;
  /**
   * Reserves the host ports (held bound against other programs) and leads them to the endpoint. All or none.
   * Publications with `hostPort` 0 get a free one; the result has them all filled in.
   * Throws `conflict` with Docker's words when a port is taken.
   */
  publish(
    network: NetworkSpec,
    endpoint: EndpointSpec,
    wanted: readonly Publication[],
  ): Promise<Publication[]>;
  /** Gives host ports back: those of `which`, as `publish` returned them, or all of the endpoint's. Idempotent. */
  unpublish(endpoint: EndpointSpec, which?: readonly Publication[]): Promise<void>;
  /** After a restart: rebuilds rules and port reservations for all that is there, in one go. */
  restore(
    networks: ReadonlyArray<{ network: NetworkSpec; endpoints: readonly RestoredEndpoint[] }>,
  ): Promise<void>;
  /** Stops watchers; what is in the kernel stays. */
  close(): Promise<void>;
}

/** Makes and holds network namespaces; keeps some ready so that a start need not wait. */
export interface NamespacePool {
  /**
   * A namespace with `lo` up. When `network` is a bridge network, one whose interface is already plugged into
   * that bridge may be handed out (`join` then only sets addresses).
   */
  take(network: NetworkSpec | undefined): Promise<NetworkNamespace>;
  /** Keeps `count` namespaces ready for `network` from now on (0: none any more), made while nothing waits. */
  keepReady(network: NetworkSpec, count: number): void;
  /** The namespace of a running process. Throws `not-found`. */
  ofProcess(pid: number): NetworkNamespace;
  /** Names of the links in a namespace. */
  links(ns: NetworkNamespace): string[];
  /** Replaces the default routes of a namespace: these gateways through that interface, or none at all. */
  route(ns: NetworkNamespace, through: DefaultRoute | undefined): void;
  close(): Promise<void>;
}

export interface NetworkNamespace {
  /** A path that crun can open while the daemon lives: `/proc/<daemon pid>/fd/<fd>`. */
  readonly path: string;
  readonly fd: number;
  /** A ready-made interface in it: name on the host's side and the network it is plugged into. */
  readonly prepared?: { readonly networkId: string; readonly hostInterface: string };
  close(): void;
}

/** Where packets go that are for no network of the container's. */
export interface DefaultRoute {
  readonly interfaceName: string;
  /** Bare addresses, at most one of each family. */
  readonly gateways: readonly string[];
}

export interface NetworkSpec {
  /** 64 hex digits. */
  readonly id: string;
  readonly name: string;
  readonly driver: string;
  /** Name of the bridge's link, at most 15 characters; empty for other drivers. */
  readonly bridgeName: string;
  readonly subnets: readonly SubnetSpec[];
  readonly internal: boolean;
  readonly mtu: number;
  /** Containers in this network may talk to each other (`com.docker.network.bridge.enable_icc`). */
  readonly icc: boolean;
  /** Source NAT to the outside (`com.docker.network.bridge.enable_ip_masquerade`). */
  readonly masquerade: boolean;
  /** Default address for publications (`com.docker.network.bridge.host_binding_ipv4`). */
  readonly hostBinding: string;
  /** How packets get in and out; without: `nat` for both families. */
  readonly gatewayModes?: { readonly ipv4: GatewayMode; readonly ipv6: GatewayMode };
  /** The bridge gets no IPv4 address; somebody else is the gateway. */
  readonly inhibitIPv4?: boolean;
  /** What the interfaces of a macvlan or ipvlan network lie on. */
  readonly parent?: ParentSpec;
}

/**
 * `nat`: source NAT to the outside, published ports at ports of the host. `nat-unprotected`: the same, and who knows a
 * container's address reaches all its ports. `routed`: no NAT, published ports at the container's own address.
 * `isolated`: the host has no address in the network.
 */
export type GatewayMode = 'nat' | 'nat-unprotected' | 'routed' | 'isolated';

export interface ParentSpec {
  /**
   * Name of a link. One that is missing is made: a VLAN sub-interface for a name like `eth0.50`, and with `isolated` a
   * link that leads nowhere. It goes with the last network on it.
   */
  readonly link: string;
  readonly isolated: boolean;
  /** macvlan: `bridge`, `private`, `vepa`, `passthru`; ipvlan: `l2`, `l3`, `l3s`. */
  readonly mode: string;
  /** ipvlan only: `bridge`, `private`, `vepa`. */
  readonly flag?: string;
}

export interface SubnetSpec {
  /** CIDR, e.g. `172.17.0.0/16`. */
  readonly subnet: string;
  /** Address of the bridge in it. */
  readonly gateway: string;
  /** CIDR inside the subnet that addresses are given from. */
  readonly ipRange?: string;
  /** Addresses that are never given, by name. */
  readonly auxAddresses?: Readonly<Record<string, string>>;
}

export interface EndpointSpec {
  /** 64 hex digits. */
  readonly id: string;
  readonly networkId: string;
  readonly containerId: string;
  /** Name in the container: eth0, eth1, … */
  readonly interfaceName: string;
  /** Link on the host's side, at most 15 characters; empty without one. */
  readonly hostInterface: string;
  readonly macAddress: string;
  /** Address with prefix length, e.g. `172.17.0.2/16`; empty when the network has no IPv4. */
  readonly ipv4: string;
  readonly ipv6: string;
  /** Further addresses with prefix length (`169.254.7.7/16`). */
  readonly extraAddresses?: readonly string[];
  /** Settings of the interface: a path below /proc/sys and its value. */
  readonly sysctls?: readonly (readonly [path: string, value: string])[];
  /** Sets the default routes through this network. */
  readonly defaultGateway: boolean;
}

export interface Publication {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly containerPort: number;
  /** `0.0.0.0`, `::`, an address of the host, or empty for the network's default (both families). */
  readonly hostIp: string;
  /** 0: any free port. */
  readonly hostPort: number;
  /** With a range (`8000-8010`), the last port to try; else equal to hostPort. */
  readonly hostPortEnd: number;
}

/** A host port of a container that another program holds (`taken`), or that is held for the container again. */
export interface PortNotice {
  readonly containerId: string;
  readonly publication: Publication;
  readonly taken: boolean;
}

export interface RestoredEndpoint {
  readonly endpoint: EndpointSpec;
  readonly publications: readonly Publication[];
}
