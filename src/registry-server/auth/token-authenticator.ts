import { messageOf } from '../../base/errors.ts';
import { RegistryError } from '../registry-error.ts';
import type { Action, Authenticator, Caller } from './caller.ts';
import { type TokenClaims, type TokenKey, verifyToken } from './json-web-token.ts';
import { TOKEN_PATH } from './token-issuer.ts';

export interface TokenParts {
  /** URL of the token server; undefined: `/token` of this registry, see TokenIssuer. */
  readonly realm: string | undefined;
  readonly service: string;
  readonly issuer: string;
  readonly keys: () => readonly TokenKey[];
  readonly now: () => number;
}

/** Tokens of a token server (Docker's token authentication): a token says itself what its bearer may do where. */
export class TokenAuthenticator implements Authenticator {
  readonly #parts: TokenParts;

  constructor(parts: TokenParts) {
    this.#parts = parts;
  }

  async identify(authorization: string | null): Promise<Caller> {
    if (authorization === null) return { name: '-', anonymous: true, may: () => false, mayList: false };
    const token = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
    if (token === undefined) throw new RegistryError('UNAUTHORIZED', { message: 'a bearer token is needed' });
    const { keys, issuer, service, now } = this.#parts;
    try {
      return callerWith(verifyToken(token, keys(), { issuer, audience: service, now: now() }));
    } catch (error) {
      throw new RegistryError('UNAUTHORIZED', { message: messageOf(error), cause: error });
    }
  }

  challenge(scope: string | undefined, origin: string): string {
    const { service } = this.#parts;
    const realm = this.#parts.realm ?? `${origin}${TOKEN_PATH}`;
    return `Bearer realm="${realm}",service="${service}"${scope === undefined ? '' : `,scope="${scope}"`}`;
  }

  readonly guardsPing = true;
}

export function callerWith({ subject, access }: TokenClaims): Caller {
  const allows = (type: string, name: string, action: string): boolean =>
    access.some(
      (entry) =>
        entry.type === type &&
        entry.name === name &&
        (entry.actions.includes(action) || entry.actions.includes('*')),
    );
  return {
    name: subject === '' ? '(token)' : subject,
    anonymous: false,
    may: (repository: string, action: Action) => allows('repository', repository, action),
    mayList: allows('registry', 'catalog', '*'),
  };
}
