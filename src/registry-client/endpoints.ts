import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';
import { DEFAULT_DOMAIN } from '../oci/reference.ts';
import type { HostCertificates } from './host-certificates.ts';
import type { Settings } from './settings.ts';

/** Where Docker Hub's API is. */
const HUB_URL = 'https://registry-1.docker.io';

/** One base URL that may serve a domain. */
export interface Endpoint {
  /** Without a path at its end: `https://host:5000`. A mirror may have a path prefix. */
  readonly url: URL;
  /** True: certificates are not verified and plain http is fine. */
  readonly insecure: boolean;
  readonly certificates: HostCertificates;
  /** The upstream whose images a mirror shall answer with, for its `ns` parameter; undefined for none. */
  readonly namespace: string | undefined;
}

/** One registry or mirror, with the base URLs it may answer at, in the order to try them. */
export interface Origin {
  /** `host[:port]`, a mirror's path and its upstream: tells origins apart. */
  readonly name: string;
  readonly mirror: boolean;
  readonly alternatives: readonly Endpoint[];
}

/**
 * Who may serve a domain, in order: its mirrors, then the registry. An insecure registry is tried by https and
 * then by http, as Docker does.
 */
export async function originsOf(domain: string, settings: Settings): Promise<Origin[]> {
  const hub = domain === DEFAULT_DOMAIN ? settings.mirrors : [];
  const named = settings.mirrorsOf[domain] ?? settings.mirrorsOf['*'] ?? [];
  const mirrors = [
    ...hub.map((url) => originAt(new URL(url), true, settings)),
    ...named.map((url) => originAt(new URL(url), true, settings, domain)),
  ];
  return [...(await Promise.all(mirrors)), await registryOf(domain, settings)];
}

/** The registry of a domain itself, without its mirrors: what pushes and logins go to. */
export function registryOf(domain: string, settings: Settings): Promise<Origin> {
  return originAt(new URL(domain === DEFAULT_DOMAIN ? HUB_URL : `https://${domain}`), false, settings);
}

async function originAt(url: URL, mirror: boolean, settings: Settings, namespace?: string): Promise<Origin> {
  const insecure =
    url.href !== new URL(HUB_URL).href && (await isInsecure(url.host, settings.insecureRegistries));
  const certificates = settings.certificatesFor(url.host);
  const endpoint = { url, insecure, certificates, namespace };
  const upstream = namespace === undefined ? '' : `?ns=${namespace}`;
  const name = url.host + url.pathname.replace(/\/+$/, '') + upstream;
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
  const url = new URL(endpoint.url.pathname.replace(/\/+$/, '') + path, endpoint.url);
  if (endpoint.namespace !== undefined) url.searchParams.set('ns', endpoint.namespace);
  return url;
}
