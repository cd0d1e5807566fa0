import { NO_CERTIFICATES } from './host-certificates.ts';
import { proxiesFromEnvironment, proxyChoice } from './proxies.ts';
import type { RegistryClientConfig } from './registry-client.ts';

/** The configuration with every default filled in. */
export type Settings = Required<RegistryClientConfig>;

const DEFAULTS: Settings = {
  insecureRegistries: [],
  mirrors: [],
  mirrorsOf: {},
  maxConcurrentDownloads: 3,
  maxConcurrentUploads: 5,
  maxAttempts: 5,
  retryDelayMs: 500,
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  certificatesFor: () => NO_CERTIFICATES,
  proxyFor: proxyChoice(proxiesFromEnvironment(process.env)),
  userAgent: 'tare',
};

export function settingsOf(config: RegistryClientConfig): Settings {
  return { ...DEFAULTS, ...config };
}
