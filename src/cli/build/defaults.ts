import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { CommandContext } from '../context.ts';

/** The members of docker's configuration that become build arguments, with the arguments' names. */
const PROXIES = {
  httpProxy: 'HTTP_PROXY',
  httpsProxy: 'HTTPS_PROXY',
  noProxy: 'NO_PROXY',
  ftpProxy: 'FTP_PROXY',
  allProxy: 'ALL_PROXY',
} as const;

/**
 * Build arguments that nobody has to name: the proxies of docker's configuration file (for the daemon's address, else
 * `default`), in both spellings, and SOURCE_DATE_EPOCH when the environment has it, as buildx does.
 */
export function defaultArguments(
  context: Pick<CommandContext, 'configDir' | 'environment' | 'client'>,
): Record<string, string> {
  const found: Record<string, string> = {};
  const proxies = configuredProxies(context.configDir, context.client.endpoint.host);
  for (const [member, name] of Object.entries(PROXIES)) {
    const value = proxies[member];
    if (typeof value !== 'string' || value === '') continue;
    found[name] = value;
    found[name.toLowerCase()] = value;
  }
  const epoch = context.environment.SOURCE_DATE_EPOCH;
  return epoch === undefined || epoch === '' ? found : { ...found, SOURCE_DATE_EPOCH: epoch };
}

function configuredProxies(configDir: string, host: string): Record<string, unknown> {
  try {
    const config = JSON.parse(readFileSync(join(configDir, 'config.json'), 'utf8')) as {
      proxies?: Record<string, Record<string, unknown>>;
    };
    return config.proxies?.[host] ?? config.proxies?.default ?? {};
  } catch {
    // No file, or none that can be read: the commands that need one say so.
    return {};
  }
}
