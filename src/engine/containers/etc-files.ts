import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fromNodeError } from '../../kernel/errno.ts';
import { bareAddress } from '../../netdriver/addressing.ts';
import { RESOLVER_ADDRESS } from '../../netdriver/dns/dns.ts';
import {
  addressLine,
  hostnameFile,
  hostResolver,
  hostsFile,
  hostsFileOfHost,
  parseResolvConf,
  resolvConf,
} from '../networks/files.ts';
import type { Connection } from './container-network.ts';
import type { ContainerSet } from './container-set.ts';
import { hasNames } from './endpoints.ts';
import { updateParents } from './link-hosts.ts';
import type { LinkFacts } from './links.ts';
import type { Container, ContainerEndpoint } from './model.ts';
import type { ContainerPaths } from './paths.ts';

/** Where the files that the daemon makes for a container's /etc are. */
export interface EtcFilePaths {
  readonly hosts: string;
  readonly hostname: string;
  readonly resolvConf: string;
}

/** /etc/hosts, /etc/hostname and /etc/resolv.conf of containers. */
export class EtcFiles {
  readonly #paths: ContainerPaths;
  readonly #containers: Pick<ContainerSet, 'list'>;
  readonly #hostGateway: () => string;

  /** `hostGateway`: the default bridge's address; empty: none. */
  constructor(paths: ContainerPaths, containers: Pick<ContainerSet, 'list'>, hostGateway: () => string) {
    this.#paths = paths;
    this.#containers = containers;
    this.#hostGateway = hostGateway;
  }

  /** Writes a starting container's own files, or names those of the container whose network it shares. */
  write(container: Container, connection: Connection, links: Pick<LinkFacts, 'hosts'>): EtcFilePaths {
    const { config, hostConfig } = container;
    const files = this.#of(connection.sharedWith?.id ?? container.id);
    if (connection.sharedWith) return files;
    const isHost = connection.path === undefined;
    const { extraHosts } = hostConfig;
    const hostGateway = this.#hostGateway();
    const addresses = connection.endpoints.flatMap(addressesOf);
    try {
      writeFileSync(
        files.hosts,
        isHost
          ? hostsFileOfHost(read('/etc/hosts') ?? '', extraHosts, hostGateway)
          : hostsFile({ ...config, addresses, extraHosts, hostGateway, links: links.hosts }),
      );
      writeFileSync(files.hostname, hostnameFile(config.hostname));
      writeFileSync(files.resolvConf, resolverText(container, connection.endpoints, isHost));
    } catch (error) {
      throw fromNodeError(error, 'writing the files of /etc');
    }
    updateParents(container, connection, this.#containers.list(), this.#paths);
    return files;
  }

  /**
   * Brings the files of a running container in line with its endpoints. They are changed in place, because they are
   * mounted; lines that others wrote stay, and a resolv.conf that others changed stays as it is.
   */
  rewrite(before: Container, after: Container): void {
    const files = this.#of(after.id);
    const lines = (container: Container): string[] =>
      container.endpoints.flatMap(addressesOf).map((address) => addressLine(address, container.config));
    const old = lines(before);
    const now = lines(after);
    try {
      let hosts = read(files.hosts) ?? '';
      for (const line of old) if (!now.includes(line)) hosts = hosts.replace(line, '');
      for (const line of now) if (!old.includes(line)) hosts += line;
      writeFileSync(files.hosts, hosts);
      if (read(files.resolvConf) === resolverText(before, before.endpoints, false)) {
        writeFileSync(files.resolvConf, resolverText(after, after.endpoints, false));
      }
    } catch (error) {
      throw fromNodeError(error, 'writing the files of /etc');
    }
  }

  /**
   * Completes the files of a running container that the last daemon may have left behind its endpoints. True when
   * its resolv.conf names 127.0.0.11, so that somebody has to answer there.
   */
  complete(container: Container): boolean {
    const files = this.#of(container.id);
    const hosts = read(files.hosts);
    const resolver = read(files.resolvConf);
    // The network is another container's, or the host's, and so are the files.
    if (hosts === undefined || resolver === undefined || container.hostConfig.networkMode === 'host')
      return false;
    const missing = container.endpoints
      .flatMap(addressesOf)
      .map((address) => addressLine(address, container.config))
      .filter((line) => !hosts.includes(line));
    const own = container.endpoints.some(hasNames);
    try {
      if (missing.length > 0) writeFileSync(files.hosts, hosts + missing.join(''));
      const stale = resolver === resolverText(container, container.endpoints, false, !own);
      if (!stale) return asksHere(resolver);
      writeFileSync(files.resolvConf, resolverText(container, container.endpoints, false));
      return own;
    } catch (error) {
      throw fromNodeError(error, 'writing the files of /etc');
    }
  }

  #of(id: string): EtcFilePaths {
    return {
      hosts: this.#paths.hosts(id),
      hostname: this.#paths.hostname(id),
      resolvConf: this.#paths.resolvConf(id),
    };
  }
}

function read(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined;
}

function asksHere(resolver: string): boolean {
  return parseResolvConf(resolver).nameservers.includes(RESOLVER_ADDRESS);
}

function addressesOf({ ipv4, ipv6 }: ContainerEndpoint): string[] {
  return [ipv4, ipv6].filter((address) => address !== '').map(bareAddress);
}

function resolverText(
  container: Container,
  endpoints: readonly ContainerEndpoint[],
  isHost: boolean,
  ownResolver = !isHost && endpoints.some(hasNames),
): string {
  const { dns, dnsSearch, dnsOptions } = container.hostConfig;
  return resolvConf({
    host: hostResolver(read),
    dns,
    dnsSearch,
    dnsOptions,
    ipv6: endpoints.some((endpoint) => endpoint.ipv6 !== ''),
    hostNetwork: isHost,
    ownResolver,
  });
}
