import { isIP } from 'node:net';
import { TareError } from '../../base/errors.ts';
import { RESOLVER_ADDRESS } from '../../netdriver/dns/dns.ts';

/** What `--add-host NAME:host-gateway` stands for. */
const HOST_GATEWAY = 'host-gateway';

const LOCALHOST = `127.0.0.1\tlocalhost
::1\tlocalhost ip6-localhost ip6-loopback
fe00::\tip6-localnet
ff00::\tip6-mcastprefix
ff02::1\tip6-allnodes
ff02::2\tip6-allrouters
`;

export interface HostsRequest {
  readonly hostname: string;
  readonly domainname: string;
  /** The container's own addresses, without prefix length; none: no line of its own. */
  readonly addresses: readonly string[];
  /** `NAME:IP` or `NAME:host-gateway`, as `--add-host` has them. */
  readonly extraHosts: readonly string[];
  /** The host's address as containers see it: the default bridge's gateway; empty when there is none. */
  readonly hostGateway: string;
  /** Of legacy links. */
  readonly links?: ReadonlyArray<{ readonly address: string; readonly names: string }>;
}

/** `/etc/hosts` of a container with a network namespace of its own, as dockerd makes it. Throws `invalid`. */
export function hostsFile(request: HostsRequest): string {
  let text = LOCALHOST + extraLines(request.extraHosts, request.hostGateway);
  for (const { address, names } of request.links ?? []) text += `${address}\t${names}\n`;
  if (request.hostname === '') return text;
  for (const address of request.addresses) text += addressLine(address, request);
  return text;
}

/** The line that names one of the container's own addresses. */
export function addressLine(
  address: string,
  { hostname, domainname }: { readonly hostname: string; readonly domainname: string },
): string {
  const [short = hostname, ...rest] = hostname.split('.');
  const full = domainname ? `${hostname}.${domainname}` : hostname;
  const names = domainname ? `${full} ${hostname}` : rest.length > 0 ? `${hostname} ${short}` : hostname;
  return `${address}\t${names}\n`;
}

/** `/etc/hosts` of a container in the host's network namespace: the host's own and the extra lines. */
export function hostsFileOfHost(host: string, extraHosts: readonly string[], hostGateway: string): string {
  const base = host === '' || host.endsWith('\n') ? host : `${host}\n`;
  return base + extraLines(extraHosts, hostGateway);
}

function extraLines(extraHosts: readonly string[], hostGateway: string): string {
  return extraHosts
    .map((entry) => {
      const { name, address } = parseExtraHost(entry);
      if (address !== HOST_GATEWAY) return `${address}\t${name}\n`;
      if (hostGateway === '') {
        throw new TareError(
          'invalid',
          `unable to derive the IP value for ${HOST_GATEWAY}: there is no default bridge network`,
        );
      }
      return `${hostGateway}\t${name}\n`;
    })
    .join('');
}

/** Splits an `--add-host` value at its first colon (IPv6 addresses have more). Throws in Docker's words. */
export function parseExtraHost(entry: string): { name: string; address: string } {
  const colon = entry.indexOf(':');
  const name = entry.slice(0, colon);
  if (colon <= 0 || /\s/.test(name))
    throw new TareError('invalid', `bad format for add-host: ${JSON.stringify(entry)}`);
  const address = entry.slice(colon + 1).replace(/^\[(.*)\]$/, '$1');
  if (address !== HOST_GATEWAY && isIP(address) === 0) {
    throw new TareError('invalid', `invalid IP address in add-host: ${JSON.stringify(address)}`);
  }
  return { name, address };
}

/** `/etc/hostname`. */
export function hostnameFile(hostname: string): string {
  return `${hostname}\n`;
}

/** What a resolv.conf says (resolv.conf(5)). */
export interface ResolverConfig {
  readonly nameservers: readonly string[];
  readonly search: readonly string[];
  readonly options: readonly string[];
}

/** Reads a resolv.conf; of `search` and `domain` the last one counts, as in the C library. */
export function parseResolvConf(text: string): ResolverConfig {
  const nameservers: string[] = [];
  let search: string[] = [];
  const options: string[] = [];
  for (const line of text.split('\n')) {
    const [word, ...values] = line
      .replace(/[#;].*$/, '')
      .trim()
      .split(/\s+/);
    if (word === 'nameserver' && values[0]) nameservers.push(values[0]);
    else if (word === 'search') search = values;
    else if (word === 'domain') search = values.slice(0, 1);
    else if (word === 'options') options.push(...values);
  }
  return { nameservers, search, options };
}

const RESOLV_CONF = '/etc/resolv.conf';
/** Where systemd-resolved tells the servers behind its own at 127.0.0.53. */
const RESOLVED_CONF = '/run/systemd/resolve/resolv.conf';

/** Docker's last resort when the host's file leaves no server that a container can reach. */
const FALLBACK = ['8.8.8.8', '8.8.4.4'];
const FALLBACK_IPV6 = ['2001:4860:4860::8888', '2001:4860:4860::8844'];

/**
 * The host's resolver configuration as far as it is of use to containers: where its file names systemd-resolved's
 * own address only, the servers behind it. `read` gives a file's text, or undefined.
 */
export function hostResolver(read: (path: string) => string | undefined): ResolverConfig {
  const own = parseResolvConf(read(RESOLV_CONF) ?? '');
  if (own.nameservers.length === 0 || !own.nameservers.every(isLoopback)) return own;
  const behind = read(RESOLVED_CONF);
  return behind === undefined ? own : parseResolvConf(behind);
}

export interface ResolvRequest {
  readonly host: ResolverConfig;
  /** `--dns`, `--dns-search`, `--dns-option`; each that is given replaces the host's. */
  readonly dns: readonly string[];
  readonly dnsSearch: readonly string[];
  readonly dnsOptions: readonly string[];
  /** The container has IPv6. */
  readonly ipv6: boolean;
  /** In the host's network namespace its loopback addresses can be reached. */
  readonly hostNetwork: boolean;
  /** Names are answered at 127.0.0.11, which asks the servers in turn. */
  readonly ownResolver: boolean;
}

/** `/etc/resolv.conf` of a container. */
export function resolvConf(request: ResolvRequest): string {
  const { host } = request;
  let servers = request.ownResolver ? [RESOLVER_ADDRESS] : request.dns;
  if (servers.length === 0) {
    servers = host.nameservers.filter(
      (server) => request.hostNetwork || (!isLoopback(server) && (request.ipv6 || !server.includes(':'))),
    );
    if (servers.length === 0) servers = request.ipv6 ? [...FALLBACK, ...FALLBACK_IPV6] : FALLBACK;
  }
  const wanted = request.dnsSearch.length > 0 ? request.dnsSearch : host.search;
  // `--dns-search .` means none at all.
  const search = wanted.filter((domain) => domain !== '.');
  let options = request.dnsOptions.length > 0 ? request.dnsOptions : host.options;
  // As Docker: a container's name has no dot and is to be asked for as it is first.
  if (request.ownResolver && !options.some((option) => option.startsWith('ndots:'))) {
    options = [...options, 'ndots:0'];
  }
  let text = servers.map((server) => `nameserver ${server}\n`).join('');
  if (search.length > 0) text += `search ${search.join(' ')}\n`;
  if (options.length > 0) text += `options ${options.join(' ')}\n`;
  return text;
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}
