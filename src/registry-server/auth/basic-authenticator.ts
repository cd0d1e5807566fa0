import { RegistryError } from '../registry-error.ts';
import type { Authenticator, Caller } from './caller.ts';
import type { PasswordCheck } from './htpasswd.ts';
import type { Rights } from './rights.ts';

export interface BasicParts {
  readonly realm: string;
  /** The files' content as it is now. */
  readonly users: () => ReadonlyMap<string, string>;
  readonly rights: () => Rights;
  readonly passwords: PasswordCheck;
}

/** Users with passwords (RFC 7617), and what the rights' file says they may do. */
export class BasicAuthenticator implements Authenticator {
  readonly #parts: BasicParts;

  constructor(parts: BasicParts) {
    this.#parts = parts;
  }

  async identify(authorization: string | null): Promise<Caller> {
    if (authorization === null) return callerOf(undefined, this.#parts.rights());
    const credentials = parseBasic(authorization);
    const { users, passwords, rights } = this.#parts;
    if (
      credentials === undefined ||
      !(await passwords.matches(users(), credentials.name, credentials.password))
    ) {
      throw new RegistryError('UNAUTHORIZED');
    }
    return callerOf(credentials.name, rights());
  }

  challenge(): string {
    return `Basic realm="${this.#parts.realm}"`;
  }

  readonly guardsPing = true;
}

export function callerOf(user: string | undefined, rights: Rights): Caller {
  return {
    name: user ?? '-',
    anonymous: user === undefined,
    may: (repository, action) => rights.may(user, repository, action),
    mayList: rights.mayList(user),
  };
}

/** Name and password of an `Authorization: Basic` header. */
export function parseBasic(authorization: string): { name: string; password: string } | undefined {
  const match = /^basic +([A-Za-z0-9+/=]+) *$/i.exec(authorization);
  if (match === null) return undefined;
  const text = Buffer.from(match[1] ?? '', 'base64').toString('utf8');
  const colon = text.indexOf(':');
  return colon < 0 ? undefined : { name: text.slice(0, colon), password: text.slice(colon + 1) };
}
