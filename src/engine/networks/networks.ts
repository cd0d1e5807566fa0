import type { Upstream } from '../../netdriver/dns/dns.ts';
import type { NetworkNamespace, NetworkSpec, Publication } from '../../netdriver/netdriver.ts';
import type { ContainerEndpoint, EndpointSettings, PublishedPort } from '../containers/model.ts';

/**
 * The engine's networks: rows, addresses and what a container needs at its start and end. `ref` is a name, an id
 * or a unique prefix; unknown: `not-found` with `network REF not found`.
 */
export interface NetworkService {
  get(ref: string): Network;
  find(ref: string): Network | undefined;
  list(): Network[];
  create(request: CreateNetwork): Promise<{ id: string; warning: string }>;
  /** Throws `forbidden` for predefined networks and while endpoints are active. */
  remove(ref: string): Promise<void>;

  /** Reserves addresses and names for an endpoint of a container that is about to start. */
  allocate(
    networkRef: string,
    containerId: string,
    settings: EndpointSettings,
    index: number,
  ): Promise<ContainerEndpoint>;
  /** Gives the addresses back. Idempotent. */
  release(endpoint: ContainerEndpoint): Promise<void>;
  /** A fresh namespace for a container that will join `networkRef` (undefined: loopback only). */
  namespace(networkRef: string | undefined): Promise<NetworkNamespace>;
  namespaceOf(pid: number): NetworkNamespace;
  /** Names of the links in it. */
  linksIn(ns: NetworkNamespace): string[];
  /** Puts the endpoint into the namespace. */
  join(endpoint: ContainerEndpoint, containerId: string, ns: NetworkNamespace): Promise<ContainerEndpoint>;
  leave(endpoint: ContainerEndpoint, containerId: string): Promise<void>;
  /** Takes the endpoint out of a namespace that lives on. Idempotent. */
  unplug(endpoint: ContainerEndpoint, containerId: string, ns: NetworkNamespace): Promise<void>;
  /** Leads a living container's default routes through this endpoint; undefined: it has no way out. */
  route(endpoint: ContainerEndpoint | undefined, ns: NetworkNamespace): void;
  /** Answers names at 127.0.0.11 inside the namespace from now on. */
  serveNames(containerId: string, ns: NetworkNamespace, upstream: Upstream): Promise<void>;
  /** Stops that. Idempotent. */
  stopNames(containerId: string): void;
  publish(
    endpoint: ContainerEndpoint,
    containerId: string,
    wanted: readonly Publication[],
  ): Promise<PublishedPort[]>;
  /** Gives back the ports of `which`, or all of them. Idempotent. */
  unpublish(
    endpoint: ContainerEndpoint,
    containerId: string,
    which?: readonly PublishedPort[],
  ): Promise<void>;
  /** After a restart: says what is alive, so that rules, reservations and addresses are as before. */
  restore(
    living: ReadonlyArray<{
      containerId: string;
      endpoints: readonly ContainerEndpoint[];
      ports: readonly PublishedPort[];
    }>,
  ): Promise<void>;
  close(): Promise<void>;
}

export interface Network extends NetworkSpec {
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly scope: 'local';
  readonly enableIPv6: boolean;
  readonly attachable: boolean;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly ipamDriver: string;
  readonly ipamOptions: Readonly<Record<string, string>>;
  /** A configuration that other networks take theirs from; no container is ever in it. */
  readonly configOnly?: boolean;
  /** Name of the configuration that this network was made from. */
  readonly configFrom?: string;
}

export interface CreateNetwork {
  readonly name: string;
  readonly driver: string;
  readonly internal: boolean;
  readonly attachable: boolean;
  readonly enableIPv6: boolean;
  readonly ipamDriver: string;
  readonly ipamOptions: Readonly<Record<string, string>>;
  readonly subnets: ReadonlyArray<{
    subnet: string;
    gateway: string;
    ipRange: string;
    auxAddresses: Readonly<Record<string, string>>;
  }>;
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
  readonly configOnly?: boolean;
  /** Name or id of a configuration. */
  readonly configFrom?: string;
}
