import type { RegistryAuth } from '../engine/images/images.ts';
import type { AuthConfig } from '../wire/images.ts';

/**
 * Reads the header `X-Registry-Auth` (base64url of JSON). As in dockerd, what cannot be read means anonymous:
 * clients send all sorts of things for it.
 */
export function registryAuth(header: string | string[] | undefined): RegistryAuth | undefined {
  if (typeof header !== 'string' || header === '') return undefined;
  let json: AuthConfig | null;
  try {
    json = JSON.parse(Buffer.from(header, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
  return typeof json === 'object' && json !== null ? authOf(json) : undefined;
}

/** The credentials in an AuthConfig; undefined when it has none. `auth` is Base64 of `user:password`. */
export function authOf(json: AuthConfig): RegistryAuth | undefined {
  const auth: { -readonly [K in keyof RegistryAuth]: RegistryAuth[K] } = {};
  const copy = (to: keyof RegistryAuth, value: unknown) => {
    if (typeof value === 'string' && value !== '') auth[to] = value;
  };
  copy('username', json.username);
  copy('password', json.password);
  copy('identityToken', json.identitytoken);
  copy('registryToken', json.registrytoken);
  copy('serverAddress', json.serveraddress);
  if (auth.username === undefined && typeof json.auth === 'string' && json.auth !== '') {
    const pair = Buffer.from(json.auth, 'base64').toString('utf8');
    const cut = pair.indexOf(':');
    if (cut > 0) {
      auth.username = pair.slice(0, cut);
      auth.password = pair.slice(cut + 1);
    }
  }
  return Object.keys(auth).length === 0 ? undefined : auth;
}
