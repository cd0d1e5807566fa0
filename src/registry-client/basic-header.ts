import type { RegistryCredentials } from './registry-client.ts';

/** `Basic …`, undefined without a user name. */
export function basicHeader(credentials: RegistryCredentials): string | undefined {
  const { username, password = '' } = credentials;
  if (!username) return undefined;
  return `Basic ${Buffer.from(`${username}:${password}`, 'utf8').toString('base64')}`;
}
