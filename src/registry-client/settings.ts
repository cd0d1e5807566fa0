import type { RegistryClientConfig } from './registry-client.ts';

/** The configuration with every default filled in. */
export type Settings = Required<RegistryClientConfig>;

const DEFAULTS: Settings = {
  insecureRegistries: [],
  mirrors: [],
  maxConcurrentDownloads: 3,
  maxAttempts: 5,
  retryDelayMs: 500,
  connectTimeoutMs: 10_000,
  idleTimeoutMs: 60_000,
  certificatesFor: () => [],
  userAgent: 'tare',
};

export function settingsOf(config: RegistryClientConfig): Settings {
  return { ...DEFAULTS, ...config };
}
