import { createHash } from 'node:crypto';
import { TareError } from '../base/errors.ts';
import { Authorizer } from './authorizer.ts';
import { type Challenge, parseChallenges } from './challenge.ts';
import { type Endpoint, endpointUrl, type Origin } from './endpoints.ts';
import type { RegistryCredentials } from './registry-client.ts';
import { RegistrySession } from './session.ts';
import type { Settings } from './settings.ts';
import { send } from './transport.ts';

/** Sessions kept for their tokens; the oldest goes first. */
const SESSION_LIMIT = 100;

/** Opens sessions and keeps them, so that the next pull needs neither a probe nor a new token. */
export class Sessions {
  readonly #settings: Settings;
  readonly #sessions = new Map<string, RegistrySession>();

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /**
   * A session with the first alternative of `origin` that answers. Throws the last one's error, `unavailable`
   * or `timeout`, without repeating: who is offline shall know at once.
   */
  async open(
    origin: Origin,
    credentials: RegistryCredentials,
    signal: AbortSignal,
  ): Promise<RegistrySession> {
    const key = keyOf(origin, credentials);
    const known = this.#sessions.get(key);
    if (known !== undefined) return known;
    const { endpoint, challenges } = await this.#probe(origin, signal);
    const { insecure, certificates } = endpoint;
    const { idleTimeoutMs, userAgent, proxyFor } = this.#settings;
    const context = { insecure, certificates, timeoutMs: idleTimeoutMs, userAgent, proxyFor };
    const session = new RegistrySession(
      endpoint,
      new Authorizer(credentials, challenges, context),
      this.#settings,
    );
    this.#sessions.set(key, session);
    for (const oldest of this.#sessions.keys()) {
      if (this.#sessions.size <= SESSION_LIMIT) break;
      this.#sessions.delete(oldest);
    }
    return session;
  }

  /** Forgets a session that did not work, so that the next one finds out anew how to reach the registry. */
  forget(session: RegistrySession): void {
    for (const [key, value] of this.#sessions) if (value === session) this.#sessions.delete(key);
  }

  async #probe(
    origin: Origin,
    signal: AbortSignal,
  ): Promise<{ endpoint: Endpoint; challenges: Challenge[] }> {
    let failure = new TareError('internal', `${origin.name} has no address`);
    for (const endpoint of origin.alternatives) {
      try {
        return { endpoint, challenges: await this.#ping(endpoint, signal) };
      } catch (error) {
        if (!(error instanceof TareError) || error.kind === 'cancelled') throw error;
        failure = error;
      }
    }
    throw failure;
  }

  async #ping(endpoint: Endpoint, signal: AbortSignal): Promise<Challenge[]> {
    const response = await send({
      method: 'GET',
      url: endpointUrl(endpoint, '/v2/'),
      headers: { 'User-Agent': this.#settings.userAgent },
      signal,
      timeoutMs: this.#settings.connectTimeoutMs,
      insecure: endpoint.insecure,
      certificates: endpoint.certificates,
      proxyFor: this.#settings.proxyFor,
    });
    response.discard();
    return parseChallenges(response.headers.get('www-authenticate'));
  }
}

function keyOf(origin: Origin, credentials: RegistryCredentials): string {
  const { username, password, identityToken, registryToken } = credentials;
  // With other certificates it is another session: who renews them need not tell the daemon.
  const certificates = origin.alternatives.map((endpoint) => endpoint.certificates);
  const secrets = [username ?? '', password ?? '', identityToken ?? '', registryToken ?? ''];
  const identity = JSON.stringify([secrets, certificates]);
  return `${origin.name} ${createHash('sha256').update(identity).digest('hex')}`;
}
