import type { AuthConfig } from '../wire/images.ts';
import type { CommandContext } from './context.ts';
import { serverOfRepository } from './credentials/servers.ts';
import { CredentialStore } from './credentials/store.ts';

/** The store of a command's configuration folder. */
export function credentialStore(context: Pick<CommandContext, 'configDir' | 'environment'>): CredentialStore {
  return new CredentialStore({ configDir: context.configDir, path: context.environment.PATH ?? '' });
}

/**
 * The credentials for a repository. What can't be read is told on stderr and goes on without: most images need
 * none.
 */
export async function repositoryCredentials(
  context: Pick<CommandContext, 'configDir' | 'environment' | 'console'>,
  repository: string,
): Promise<AuthConfig> {
  try {
    return await credentialStore(context).get(serverOfRepository(repository));
  } catch (error) {
    context.console.err(`WARNING: going on without credentials: ${(error as Error).message}\n`);
    return {};
  }
}

/** The header `X-Registry-Auth` for a repository: base64url of JSON. */
export async function registryAuth(
  context: Pick<CommandContext, 'configDir' | 'environment' | 'console'>,
  repository: string,
): Promise<string> {
  return encodeAuth(await repositoryCredentials(context, repository));
}

/**
 * The header `X-Registry-Config` of a build: everything that is kept, by server. What can't be read is told on stderr.
 */
export async function registryConfig(
  context: Pick<CommandContext, 'configDir' | 'environment' | 'console'>,
): Promise<string> {
  try {
    return encodeAuth(await credentialStore(context).all());
  } catch (error) {
    context.console.err(`WARNING: going on without credentials: ${(error as Error).message}\n`);
    return encodeAuth({});
  }
}

/** Credentials as the API's headers take them. */
export function encodeAuth(auth: AuthConfig | Readonly<Record<string, AuthConfig>>): string {
  return Buffer.from(JSON.stringify(auth)).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
