import { TareError } from '../base/errors.ts';
import { basicHeader } from './basic-header.ts';
import type { Challenge } from './challenge.ts';
import { describeRequest } from './failures.ts';
import type { RegistryCredentials } from './registry-client.ts';
import { fetchToken, type TokenContext } from './token.ts';

/** Tokens are taken for dead this long before their time, in milliseconds: a request needs time, too. */
const EXPIRY_MARGIN_MS = 5_000;

interface CachedToken {
  readonly value: string;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** A token that is there or on its way. */
interface TokenEntry {
  readonly token: Promise<CachedToken>;
  /** The header with it, once it is there. */
  header: string | undefined;
}

/** What a request wants to do: `repository:library/nginx:pull`; several are parted by spaces; empty for none. */
export type Scope = string;

/**
 * Makes the Authorization header for one user at one endpoint (distribution-spec "token authentication", RFC
 * 7617 for Basic). Tokens are kept per scope until they expire; simultaneous requests share one token request.
 */
export class Authorizer {
  readonly #credentials: RegistryCredentials;
  readonly #context: TokenContext;
  readonly #tokens = new Map<Scope, TokenEntry>();
  #challenges: readonly Challenge[];
  #refreshToken: string | undefined;

  constructor(credentials: RegistryCredentials, challenges: readonly Challenge[], context: TokenContext) {
    this.#credentials = credentials;
    this.#challenges = challenges;
    this.#context = context;
  }

  /**
   * The header for a request, undefined when the registry asks for none. Throws `unauthorized` when it asks for
   * what we don't have; `for` words the error.
   */
  async header(
    scope: Scope,
    request: { method: string; url: URL },
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const bearer = this.#challenges.find((challenge) => challenge.scheme === 'bearer');
    const basic = this.#challenges.find((challenge) => challenge.scheme === 'basic');
    if (bearer === undefined && basic === undefined) return undefined;
    if (bearer === undefined) return this.#basic(request);
    const { registryToken } = this.#credentials;
    if (registryToken) return `Bearer ${registryToken}`;
    return `Bearer ${await this.#token(bearer, scope, request, signal)}`;
  }

  /** The identity token in force: the newest that a token server gave, else the user's; empty for none. */
  get refreshToken(): string {
    return this.#refreshToken ?? this.#credentials.identityToken ?? '';
  }

  /**
   * Takes the challenges of a 401 and forgets the token that led to it, so that the next header is a new one. When
   * several requests are refused at once, the first to know gets the new token and the others use it.
   * @param sent the header that was refused
   */
  refused(challenges: readonly Challenge[], scope: Scope, sent: string | undefined): void {
    if (challenges.length > 0) this.#challenges = challenges;
    if (this.#tokens.get(scope)?.header === sent) this.#tokens.delete(scope);
  }

  #basic(request: { method: string; url: URL }): string {
    const header = basicHeader(this.#credentials);
    if (header !== undefined) return header;
    throw new TareError(
      'unauthorized',
      `${describeRequest(request.method, request.url)}: no basic auth credentials`,
    );
  }

  async #token(
    challenge: Challenge,
    scope: Scope,
    request: { method: string; url: URL },
    signal: AbortSignal,
  ): Promise<string> {
    for (let cached = this.#tokens.get(scope); cached !== undefined; ) {
      const token = await cached.token.catch(() => undefined);
      if (token !== undefined && token.expiresAt - EXPIRY_MARGIN_MS > Date.now()) return token.value;
      const now = this.#tokens.get(scope);
      // Nobody else has begun to replace it.
      if (now === cached) break;
      cached = now;
    }
    // A server may exchange the refresh token at each use (RFC 6749, section 6): the old one is then void.
    const credentials =
      this.#refreshToken !== undefined && this.#credentials.identityToken
        ? { ...this.#credentials, identityToken: this.#refreshToken }
        : this.#credentials;
    const fetched = fetchToken(challenge, scope, credentials, { ...this.#context, request, signal });
    const entry: TokenEntry = {
      token: fetched.then(({ token, lifetimeMs, refreshToken }) => {
        this.#refreshToken = refreshToken ?? this.#refreshToken;
        entry.header = `Bearer ${token}`;
        return { value: token, expiresAt: Date.now() + lifetimeMs };
      }),
      header: undefined,
    };
    this.#tokens.set(scope, entry);
    try {
      return (await entry.token).value;
    } catch (error) {
      if (this.#tokens.get(scope) === entry) this.#tokens.delete(scope);
      throw error;
    }
  }
}
