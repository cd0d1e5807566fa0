import type { NetworkNamespace } from '../netdriver.ts';

/**
 * Names for containers on custom networks. Inside each container's network namespace, 127.0.0.11 answers on port 53
 * as Docker's resolver does: names of the networks that the container is in are answered from a *name source*,
 * everything else is asked of the *upstream* servers.
 *
 * The sockets belong to the daemon and lie in the container's namespace on ports of the kernel's choice; rules in
 * that namespace lead port 53 to them, so that a container may have a DNS server of its own on 0.0.0.0:53.
 * While the daemon is away nobody answers, nor refuses: clients ask again. After a restart `serve` is called again
 * for each living container.
 *
 * Example: `await resolver.serve('4f66…', ns, { servers: [], internal: false })`, and the container's
 * `/etc/resolv.conf` names 127.0.0.11. A query for `db` is then `source.addresses('4f66…', 'db')`.
 */
export interface NameService {
  /** Answers inside `ns` for this container from now on; called again it changes the upstreams. */
  serve(containerId: string, ns: NetworkNamespace, upstream: Upstream): Promise<void>;
  /** Stops answering for it. Idempotent. */
  stop(containerId: string): void;
  /** Stops answering for all. */
  close(): void;
}

/** Where queries go that are about no container. */
export interface Upstream {
  /** Servers of the container's own (`--dns`), asked from its namespace; empty: the host's, asked from the host. */
  readonly servers: readonly string[];
  /** No way out: all its networks are internal. Such queries are refused without asking anybody. */
  readonly internal: boolean;
}

/** Knows the containers. Names are compared without regard to case and have no dot at the end. */
export interface NameSource {
  /** Another one whenever an answer may be another one. */
  readonly version: number;
  /**
   * Addresses that `name` has for the asking container, bare; undefined: not a name of its networks. A name may
   * have addresses of one family only, or none.
   */
  addresses(containerId: string, name: string): NamedAddresses | undefined;
  /** The name of the container that has this address in one of the asker's networks. */
  nameOf(containerId: string, address: string): string | undefined;
}

export interface NamedAddresses {
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
}

/** Where containers find the resolver, as Docker's. */
export const RESOLVER_ADDRESS = '127.0.0.11';
