import { TareError } from '../base/errors.ts';
import { CERTIFICATE_FOLDERS, readHostCertificates } from '../registry-client/host-certificates.ts';
import { type ProxyConfig, proxiesFromEnvironment, proxyChoice } from '../registry-client/proxies.ts';
import type { RegistryClientConfig } from '../registry-client/registry-client.ts';

/** What the daemon is told about registries. Names and meanings are dockerd's but for `mirrors`. */
export interface RegistryOptions {
  readonly insecureRegistries: readonly string[];
  /** Base URLs that are asked before Docker Hub. */
  readonly registryMirrors: readonly string[];
  /** Base URLs that are asked before the registry of a domain; `*`: of every domain that is not named. */
  readonly mirrors: Readonly<Record<string, readonly string[]>>;
  readonly maxConcurrentDownloads: number;
  readonly maxConcurrentUploads: number;
  readonly maxDownloadAttempts: number;
  readonly proxies: ProxyConfig;
  /** Folders with a folder of certificates for each `HOST[:PORT]`. */
  readonly certificateFolders: readonly string[];
}

/** What flags or the file gave; undefined: neither did. */
export interface GivenRegistryOptions {
  readonly insecureRegistries: readonly string[];
  readonly registryMirrors: readonly string[];
  readonly mirrors: Readonly<Record<string, readonly string[]>> | undefined;
  readonly maxConcurrentDownloads: number | undefined;
  readonly maxConcurrentUploads: number | undefined;
  readonly maxDownloadAttempts: number | undefined;
  readonly proxies: Readonly<Record<string, string>>;
  readonly certificateFolders: readonly string[];
}

/** Checks the options and fills in the defaults. Throws `invalid` in dockerd's words. */
export function registryOptions(
  given: GivenRegistryOptions,
  environment: Readonly<Record<string, string | undefined>>,
): RegistryOptions {
  const { certificateFolders } = given;
  const fromEnvironment = proxiesFromEnvironment(environment);
  return {
    insecureRegistries: given.insecureRegistries.map(checkInsecure),
    registryMirrors: given.registryMirrors.map(checkMirror),
    mirrors: Object.fromEntries(
      Object.entries(given.mirrors ?? {}).map(([domain, urls]) => [
        checkDomain(domain),
        urls.map(checkMirror),
      ]),
    ),
    maxConcurrentDownloads: checkCount('max concurrent downloads', given.maxConcurrentDownloads ?? 3, 1),
    maxConcurrentUploads: checkCount('max concurrent uploads', given.maxConcurrentUploads ?? 5, 1),
    maxDownloadAttempts: checkCount('max download attempts', given.maxDownloadAttempts ?? 5, 1),
    proxies: {
      http: checkProxy('http-proxy', given.proxies['http-proxy'] ?? fromEnvironment.http),
      https: checkProxy('https-proxy', given.proxies['https-proxy'] ?? fromEnvironment.https),
      no: given.proxies['no-proxy'] ?? fromEnvironment.no,
    },
    certificateFolders: certificateFolders.length > 0 ? certificateFolders : CERTIFICATE_FOLDERS,
  };
}

/** The same for the registry client. Certificates are read anew for each fetch, as dockerd does. */
export function registryClientConfig(options: RegistryOptions, userAgent: string): RegistryClientConfig {
  return {
    insecureRegistries: options.insecureRegistries,
    mirrors: options.registryMirrors,
    mirrorsOf: options.mirrors,
    maxConcurrentDownloads: options.maxConcurrentDownloads,
    maxConcurrentUploads: options.maxConcurrentUploads,
    maxAttempts: options.maxDownloadAttempts,
    proxyFor: proxyChoice(options.proxies),
    certificatesFor: (host) => readHostCertificates(options.certificateFolders, host),
    userAgent,
  };
}

function invalid(message: string): TareError {
  return new TareError('invalid', message);
}

function checkCount(name: string, value: number, least: number): number {
  if (Number.isInteger(value) && value >= least) return value;
  throw invalid(`invalid ${name}: ${value}: use a whole number from ${least} on`);
}

function checkMirror(text: string): string {
  const url = URL.parse(text.trim());
  const shown = text.replace(/\/\/[^/]*@/, '//xxxxx@');
  if (url === null) {
    throw invalid(`invalid mirror: "${shown}" is not a valid URI: must use either 'https://' or 'http://'`);
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') {
    throw invalid(`invalid mirror: unsupported scheme "${url.protocol.slice(0, -1)}" in "${shown}"`);
  }
  if (url.username !== '' || url.password !== '') {
    throw invalid(`invalid mirror: username/password not allowed in URI "${shown}"`);
  }
  if (url.search !== '' || url.hash !== '') {
    throw invalid(`invalid mirror: query or fragment at end of the URI "${shown}"`);
  }
  // As dockerd shows them in `info`.
  return url.href.endsWith('/') ? url.href : `${url.href}/`;
}

function checkInsecure(text: string): string {
  // People copy addresses; dockerd strips these, too.
  const host = text.replace(/^https?:\/\//i, '');
  if (host.includes('://')) throw invalid(`insecure registry ${text} should not contain '://'`);
  const isNetwork = /^[0-9a-fA-F.:]+\/[0-9]{1,3}$/.test(host);
  if (!isNetwork && (host.includes('/') || !URL.canParse(`http://${host}`))) {
    throw invalid(
      `insecure registry ${text} is not valid: use HOST, HOST:PORT or a network such as 10.0.0.0/8`,
    );
  }
  return host;
}

function checkDomain(domain: string): string {
  if (domain === '*') return domain;
  if (domain.includes('/') || !URL.canParse(`https://${domain}`)) {
    throw invalid(`invalid key "${domain}" of mirrors: use a registry's HOST or HOST:PORT, or "*"`);
  }
  return domain === 'index.docker.io' ? 'docker.io' : domain;
}

function checkProxy(name: string, text: string): string {
  if (text === '' || URL.canParse(text.includes('://') ? text : `http://${text}`)) return text;
  throw invalid(
    `invalid ${name} "${text.replace(/\/\/[^/]*@/, '//xxxxx@')}": use a URL such as http://proxy:3128`,
  );
}
