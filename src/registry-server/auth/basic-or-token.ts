import type { Authenticator, Caller } from './caller.ts';

/**
 * Takes both passwords and tokens, and asks for tokens: for a registry with a token server of its own. Who sends
 * nothing is nobody in particular, with what is open to everybody.
 */
export class BasicOrTokenAuthenticator implements Authenticator {
  readonly #basic: Authenticator;
  readonly #token: Authenticator;

  constructor(basic: Authenticator, token: Authenticator) {
    this.#basic = basic;
    this.#token = token;
  }

  identify(authorization: string | null): Promise<Caller> {
    const byToken = authorization !== null && /^bearer /i.test(authorization);
    return (byToken ? this.#token : this.#basic).identify(authorization);
  }

  challenge(scope: string | undefined, origin: string): string | undefined {
    return this.#token.challenge(scope, origin);
  }

  readonly guardsPing = true;
}
