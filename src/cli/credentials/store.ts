import type { AuthConfig } from '../../wire/images.ts';
import { CommandFailure } from '../failure.ts';
import { configPath, loadConfig, type StoredAuth, saveConfig } from './config-file.ts';
import { CredentialHelper } from './credential-program.ts';
import { hostOfServer } from './servers.ts';

/** The user name under which helpers keep identity tokens. */
const TOKEN_USER = '<token>';

export interface StoreOptions {
  /** The folder of docker's configuration file. */
  readonly configDir: string;
  /** Where helpers are looked for. */
  readonly path: string;
}

/**
 * Credentials of registries as docker keeps them: in `config.json`, or in a helper program that it names for one
 * registry (`credHelpers`) or for all (`credsStore`). Servers are keys as docker writes them: `host:5000`, for
 * Docker Hub `https://index.docker.io/v1/`.
 */
export class CredentialStore {
  readonly #options: StoreOptions;

  constructor(options: StoreOptions) {
    this.#options = options;
  }

  /** What is kept for a server; without user and tokens when nothing is. @throws Error of the helper */
  async get(server: string): Promise<AuthConfig> {
    const helper = this.#helperFor(server);
    if (helper === undefined) return this.#fromFile(server);
    const entry = await helper.get(server);
    if (entry === undefined) return { serveraddress: server };
    return entry.Username === TOKEN_USER
      ? { identitytoken: entry.Secret, serveraddress: server }
      : { username: entry.Username, password: entry.Secret, serveraddress: server };
  }

  /**
   * Keeps credentials; an identity token instead of the password, if there is one.
   * @returns true when a password now lies unencrypted in the file
   */
  async store(server: string, auth: AuthConfig): Promise<boolean> {
    const { username = '', password = '', identitytoken = '' } = auth;
    const helper = this.#helperFor(server, true);
    if (helper === undefined) {
      const secret = identitytoken === '' ? password : '';
      const entry: StoredAuth = {
        auth: Buffer.from(`${username}:${secret}`).toString('base64'),
        ...(identitytoken === '' ? {} : { identitytoken }),
      };
      this.#change(server, entry);
      return identitytoken === '';
    }
    try {
      await helper.store(
        server,
        identitytoken === ''
          ? { Username: username, Secret: password }
          : { Username: TOKEN_USER, Secret: identitytoken },
      );
    } catch (error) {
      throw new CommandFailure(`error saving credentials: ${(error as Error).message}`);
    }
    // The file tells which servers there are.
    this.#change(server, {});
    return false;
  }

  /** Forgets a server. @throws Error of the helper */
  async erase(server: string): Promise<void> {
    await this.#helperFor(server)?.erase(server);
    if (loadConfig(this.#options.configDir).auths?.[server] !== undefined) this.#change(server, undefined);
  }

  /** Everything that is kept, by server: what a build sends along. @throws Error of a helper */
  async all(): Promise<Record<string, AuthConfig>> {
    const { auths = {}, credsStore, credHelpers = {} } = loadConfig(this.#options.configDir);
    const servers = new Set([...Object.keys(auths), ...Object.keys(credHelpers)]);
    if (credsStore)
      for (const server of Object.keys(await this.#helper(credsStore).list())) servers.add(server);
    const found: Record<string, AuthConfig> = {};
    for (const server of servers) {
      const auth = await this.get(server);
      if (auth.username || auth.identitytoken || auth.registrytoken) found[server] = auth;
    }
    return found;
  }

  #helper(name: string): CredentialHelper {
    return new CredentialHelper(name, this.#options.path);
  }

  /** @param first this is about to be the first entry: docker then takes the desktop's helper if it is there */
  #helperFor(server: string, first = false): CredentialHelper | undefined {
    const config = loadConfig(this.#options.configDir);
    const { auths = {}, credsStore, credHelpers = {} } = config;
    const name = credHelpers[server] || credsStore;
    if (name) return this.#helper(name);
    if (!first || Object.keys(auths).length > 0 || Object.keys(credHelpers).length > 0) return undefined;
    const PATH = this.#options.path;
    const usual = Bun.which('pass', { PATH }) === null ? 'secretservice' : 'pass';
    if (Bun.which(`docker-credential-${usual}`, { PATH }) === null) return undefined;
    saveConfig(this.#options.configDir, { ...config, credsStore: usual });
    return this.#helper(usual);
  }

  #fromFile(server: string): AuthConfig {
    const auths = loadConfig(this.#options.configDir).auths ?? {};
    const name =
      auths[server] === undefined ? Object.keys(auths).find((one) => hostOfServer(one) === server) : server;
    const entry = name === undefined ? undefined : auths[name];
    if (entry === undefined) return { serveraddress: server };
    return {
      ...decodeAuth(entry.auth ?? '', server, configPath(this.#options.configDir)),
      ...(entry.identitytoken ? { identitytoken: entry.identitytoken } : {}),
      ...(entry.registrytoken ? { registrytoken: entry.registrytoken } : {}),
      serveraddress: server,
    };
  }

  #change(server: string, entry: StoredAuth | undefined): void {
    const config = loadConfig(this.#options.configDir);
    const { [server]: _, ...others } = config.auths ?? {};
    const auths = entry === undefined ? others : { ...others, [server]: entry };
    saveConfig(this.#options.configDir, { ...config, auths });
  }
}

function decodeAuth(auth: string, server: string, path: string): AuthConfig {
  if (auth === '') return {};
  const decoded = Buffer.from(auth, 'base64').toString();
  const colon = decoded.indexOf(':');
  if (colon <= 0) {
    throw new Error(`invalid auth configuration file ${path}: the entry of ${server} is not user:password`);
  }
  return { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') };
}
