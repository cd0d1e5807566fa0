import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { RegistryError } from '../registry-error.ts';
import { callerOf, parseBasic } from './basic-authenticator.ts';
import type { Action, Caller } from './caller.ts';
import type { PasswordCheck } from './htpasswd.ts';
import type { TokenAccess, TokenKey } from './json-web-token.ts';
import type { Rights } from './rights.ts';

/** Where tokens are given out. */
export const TOKEN_PATH = '/token';
/** Seconds that a token is good for. */
const LIFETIME = 300;
const SCOPE_LIMIT = 100;
const ACTIONS: readonly Action[] = ['pull', 'push', 'delete'];

export interface IssuerParts {
  readonly service: string;
  readonly users: () => ReadonlyMap<string, string>;
  readonly rights: () => Rights;
  readonly passwords: PasswordCheck;
  readonly now: () => number;
}

/**
 * A token server of the registry's own. It is needed where something is open to everybody and the rest is not: Docker's
 * client asks `/v2/` once whether credentials are wanted, so a password prompt there would lock out those without
 * an account, and its absence those with one. Tokens are given to both. The key lives as long as the process: after a
 * restart clients fetch new tokens.
 */
export class TokenIssuer {
  readonly #parts: IssuerParts;
  readonly #privateKey: KeyObject;
  readonly key: TokenKey;
  readonly issuer = 'tare-registry';

  constructor(parts: IssuerParts) {
    this.#parts = parts;
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
    this.#privateKey = privateKey;
    this.key = { id: undefined, key: publicKey };
  }

  /** GET with a Basic header or without one; POST with a form, as OAuth 2 has it. Throws UNAUTHORIZED. */
  async handle(request: Request, url: URL): Promise<Response> {
    const form = request.method === 'POST' ? await readForm(request) : url.searchParams;
    const caller = await this.#callerOf(request, form);
    const scopes = form
      .getAll('scope')
      .flatMap((scope) => scope.split(' '))
      .slice(0, SCOPE_LIMIT);
    const access = scopes.flatMap((scope) => granted(scope, caller));
    const token = this.#issue(caller.anonymous ? '' : caller.name, access);
    return Response.json(
      {
        token,
        access_token: token,
        expires_in: LIFETIME,
        issued_at: new Date(this.#parts.now()).toISOString(),
        scope: scopes.join(' '),
      },
      { headers: { 'Cache-Control': 'no-store' } },
    );
  }

  async #callerOf(request: Request, form: URLSearchParams): Promise<Caller> {
    const { users, rights, passwords } = this.#parts;
    const authorization = request.headers.get('authorization');
    const name = form.get('username');
    if (authorization === null && name === null) {
      // A refresh token of another server.
      if (request.method === 'POST') throw new RegistryError('UNAUTHORIZED');
      return callerOf(undefined, rights());
    }
    const credentials =
      authorization === null
        ? { name: name ?? '', password: form.get('password') ?? '' }
        : parseBasic(authorization);
    if (
      credentials === undefined ||
      !(await passwords.matches(users(), credentials.name, credentials.password))
    ) {
      throw new RegistryError('UNAUTHORIZED');
    }
    return callerOf(credentials.name, rights());
  }

  #issue(subject: string, access: readonly TokenAccess[]): string {
    const seconds = Math.floor(this.#parts.now() / 1000);
    const claims = {
      iss: this.issuer,
      aud: this.#parts.service,
      sub: subject,
      iat: seconds,
      nbf: seconds - 5,
      exp: seconds + LIFETIME,
      jti: crypto.randomUUID(),
      access,
    };
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const data = `${encode({ typ: 'JWT', alg: 'ES256' })}.${encode(claims)}`;
    const signature = sign('sha256', Buffer.from(data), { key: this.#privateKey, dsaEncoding: 'ieee-p1363' });
    return `${data}.${signature.toString('base64url')}`;
  }
}

/** What of a scope, `repository:NAME:pull,push`, the caller may have. */
function granted(scope: string, caller: Caller): TokenAccess[] {
  const match = /^(repository|registry)(?:\([a-z]+\))?:(.+):([a-z*,]+)$/.exec(scope);
  if (match === null) return [];
  const [, type = '', name = '', wanted = ''] = match;
  if (type === 'registry') {
    return name === 'catalog' && caller.mayList ? [{ type, name, actions: ['*'] }] : [];
  }
  const asked = wanted.split(',');
  const actions = ACTIONS.filter(
    (action) => (asked.includes(action) || asked.includes('*')) && caller.may(name, action),
  );
  return [{ type, name, actions }];
}

async function readForm(request: Request): Promise<URLSearchParams> {
  const length = Number(request.headers.get('content-length') ?? Number.NaN);
  if (!(length <= 64 * 1024))
    throw new RegistryError('SIZE_INVALID', { status: 413, message: 'the form is too long' });
  return new URLSearchParams(await request.text());
}
