import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { DEFAULT_DOMAIN } from '../oci/reference.ts';
import type { Settings } from './settings.ts';

/** Where Docker Hub's API is. */
const HUB_URL = 'https://registry-1.docker.io';

/** One base URL that may serve a domain. */
export interface Endpoint {
  /** Without a path at its end: `https://host:5000`. A mirror may have a path prefix. */
  readonly url: URL;
  /** True: certificates are not verified and plain http is fine. */
  readonly insecure: boolean;
  /** PEM certificates of private authorities. */
  readonly certificates: readonly string[];
}

/** One registry or mirror, with the base URLs it may answer at, in the order to try them. */
export interface Origin {
  /** `host[:port]` and a mirror's path. */
  readonly name: string;
  readonly mirror: boolean;
  readonly alternatives: readonly Endpoint[];
}

/**
 * Who may serve a domain, in order: the mirrors for Docker Hub, then the registry. An insecure registry is tried
 * by https and then by http, as Docker does.
 */
export async function originsOf(domain: string, settings: Settings): Promise<Origin[]> {
  if (domain !== DEFAULT_DOMAIN) return [await originAt(new URL(`https://${domain}`), false, settings)];
  const mirrors = settings.mirrors.map((url) => originAt(new URL(url), true, settings));
  return [...(await Promise.all(mirrors)), await originAt(new URL(HUB_URL), false, settings)];
}

async function originAt(url: URL, mirror: boolean, settings: Settings): Promise<Origin> {
  const insecure =
    url.href !== new URL(HUB_URL).href && (await isInsecure(url.host, settings.insecureRegistries));
  const certificates = settings.certificatesFor(url.host);
  const endpoint = { url, insecure, certificates };
  const name = url.host + url.pathname.replace(/\/+$/, '');
  // A mirror is configured with its protocol; a registry's domain has none.
  const plain = insecure && !mirror ? [{ ...endpoint, url: new URL(`http://${url.host}`) }] : [];
  return { name, mirror, alternatives: [endpoint, ...plain] };
}

/** True for loopback addresses and for what the configuration lists by name, address or network. */
export async function isInsecure(host: string, listed: readonly string[]): Promise<boolean> {
  const { hostname } = new URL(`http://${host}`);
  const name = hostname.replace(/^\[|\]$/g, '');
  if (listed.includes(host) || listed.includes(name)) return true;
  const networks = new BlockList();
  networks.addSubnet('127.0.0.0', 8, 'ipv4');
  networks.addAddress('::1', 'ipv6');
  for (const entry of listed) addNetwork(networks, entry);
  const addresses = isIP(name) === 0 ? await addressesOf(name) : [name];
  return addresses.some((address) => networks.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4'));
}

function addNetwork(networks: BlockList, entry: string): void {
  const [address = '', bits] = entry.split('/');
  const family = isIP(address);
  if (bits === undefined || family === 0 || !/^[0-9]{1,3}$/.test(bits)) return;
  if (Number(bits) > (family === 6 ? 128 : 32)) return;
  networks.addSubnet(address, Number(bits), family === 6 ? 'ipv6' : 'ipv4');
}

/** A name that does not resolve is not insecure; the request itself will say what is wrong. */
async function addressesOf(name: string): Promise<string[]> {
  if (name === 'localhost') return ['127.0.0.1'];
  try {
    return (await lookup(name, { all: true })).map((found) => found.address);
  } catch {
    return [];
  }
}

/** Joins an endpoint and a path of the API: `/v2/…`, with a query if it has one. */
export function endpointUrl(endpoint: Endpoint, path: string): URL {
  return new URL(endpoint.url.pathname.replace(/\/+$/, '') + path, endpoint.url);
}
