import { BlockList, isIP } from 'node:net';

/** Proxies for requests to registries; empty texts mean none. */
export interface ProxyConfig {
  /** URL of the proxy for `http:` requests. */
  readonly http: string;
  /** URL of the proxy for `https:` requests. */
  readonly https: string;
  /** Comma-separated names, `.domains`, addresses and CIDRs that are asked directly, each perhaps with a port. */
  readonly no: string;
}

/** The proxy for a request, undefined for none. */
export type ProxyChoice = (url: URL) => string | undefined;

/** What the environment says, in capitals or not, as Go's net/http reads it. */
export function proxiesFromEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
): ProxyConfig {
  const read = (name: string) => environment[name] || environment[name.toLowerCase()] || '';
  return { http: read('HTTP_PROXY'), https: read('HTTPS_PROXY'), no: read('NO_PROXY') };
}

/**
 * Chooses by the rules of Go's golang.org/x/net/http/httpproxy, which dockerd follows: this machine itself is
 * never asked through a proxy, and a name in the list stands for its subdomains, too.
 */
export function proxyChoice(config: ProxyConfig): ProxyChoice {
  const entries = config.no
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== '');
  return (url) => {
    const proxy = url.protocol === 'https:' ? config.https : config.http;
    if (proxy === '' || isLoopback(url)) return undefined;
    if (entries.some((entry) => covers(entry, url))) return undefined;
    return proxy.includes('://') ? proxy : `http://${proxy}`;
  };
}

/** True for a URL of this machine. */
export function isLoopback(url: URL): boolean {
  return url.hostname === 'localhost' || url.hostname === '[::1]' || /^127\.[0-9.]+$/.test(url.hostname);
}

function covers(entry: string, url: URL): boolean {
  if (entry === '*') return true;
  const name = url.hostname.replace(/^\[|\]$/g, '');
  const family = isIP(name);
  if (entry.includes('/')) return family !== 0 && inNetwork(entry, name);
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const [, host = entry, wanted] =
    /^(.*?)(?::([0-9]+))?$/.exec(isIP(entry) === 6 ? `[${entry}]` : entry) ?? [];
  if (wanted !== undefined && wanted !== port) return false;
  const plain = host.replace(/^\[|\]$/g, '');
  if (family !== 0) return plain === name;
  const domain = plain.replace(/^\*?\./, '');
  // `.example.com` is for subdomains only, `example.com` for itself as well.
  return name.endsWith(`.${domain}`) || (domain === plain && name === domain);
}

function inNetwork(entry: string, address: string): boolean {
  const [network = '', bits = ''] = entry.split('/');
  const family = isIP(network);
  if (family === 0 || !/^[0-9]{1,3}$/.test(bits) || Number(bits) > (family === 6 ? 128 : 32)) return false;
  const list = new BlockList();
  list.addSubnet(network, Number(bits), family === 6 ? 'ipv6' : 'ipv4');
  return list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}
