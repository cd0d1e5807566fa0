import { isKind, TareError } from '../base/errors.ts';
import { MANIFEST_ACCEPT, MANIFEST_LIMIT, readDescriptor } from '../oci/manifest.ts';
import type { Reference } from '../oci/reference.ts';
import type { Origin } from '../registry-client/endpoints.ts';
import type { RegistryCredentials } from '../registry-client/registry-client.ts';
import { responseFailure } from '../registry-client/response-failure.ts';
import { Sessions } from '../registry-client/sessions.ts';
import { type Settings, settingsOf } from '../registry-client/settings.ts';
import { type HttpResponse, readAll } from '../registry-client/transport.ts';
import type { ProxySetting } from '../registry-server/places.ts';
import type { Upstream, UpstreamBlob, UpstreamManifest } from '../registry-server/proxy/upstream.ts';
import type { Page, ReferrerDescriptor, Slice } from '../registry-server/registry-server.ts';

/** An upstream that has not answered by then is away. Milliseconds. */
const CONNECT_TIMEOUT = 5_000;
/** Longest silence in an answer, in milliseconds. */
const IDLE_TIMEOUT = 30_000;
/** Largest list of tags or referrers in bytes. */
const LIST_LIMIT = 16 * 1024 * 1024;

/** What another registry has, through the client that pulls use: tokens, redirects, private authorities. */
export class ClientUpstream implements Upstream {
  readonly #origin: Origin;
  readonly #credentials: RegistryCredentials;
  readonly #sessions: Sessions;
  readonly #signal: AbortSignal;

  /** The URL may hold a user and a password. `signal` ends what is under way. */
  constructor(
    { host, url }: ProxySetting,
    config: Pick<Settings, 'certificatesFor' | 'userAgent'>,
    signal: AbortSignal,
  ) {
    const base = new URL(url);
    const username = decodeURIComponent(base.username);
    const password = decodeURIComponent(base.password);
    base.username = '';
    base.password = '';
    const endpoint = {
      url: base,
      insecure: base.protocol === 'http:',
      certificates: config.certificatesFor(base.host),
      namespace: undefined,
    };
    this.#origin = { name: `${host} ${base.href}`, mirror: true, alternatives: [endpoint] };
    this.#credentials = username === '' ? {} : { username, password };
    this.#sessions = new Sessions(
      settingsOf({ ...config, connectTimeoutMs: CONNECT_TIMEOUT, idleTimeoutMs: IDLE_TIMEOUT }),
    );
    this.#signal = signal;
  }

  async manifest(
    repository: string,
    reference: string,
    known: string | undefined,
  ): Promise<UpstreamManifest | 'unchanged' | undefined> {
    const path = `${repository}/manifests/${reference}`;
    const headers = { Accept: MANIFEST_ACCEPT.join(', ') };
    if (known !== undefined) {
      // A HEAD does not count as a pull where pulls are counted.
      const head = await this.#ask('HEAD', path, headers);
      head.discard();
      if (head.status === 404) return undefined;
      if (head.status === 200 && head.headers.get('docker-content-digest') === known) return 'unchanged';
    }
    const response = await this.#found(await this.#ask('GET', path, headers), repository);
    if (response === undefined) return undefined;
    const bytes = await readAll(response, MANIFEST_LIMIT, `manifest ${reference}`);
    return { mediaType: response.headers.get('content-type') ?? undefined, bytes };
  }

  async blob(repository: string, digest: string, offset: number): Promise<UpstreamBlob | undefined> {
    const path = `${repository}/blobs/${digest}`;
    const headers: Record<string, string> = offset > 0 ? { Range: `bytes=${offset}-` } : {};
    let answer = await this.#ask('GET', path, headers);
    if (answer.status === 416) {
      answer.discard();
      answer = await this.#ask('GET', path, {});
    }
    const response = await this.#found(answer, repository);
    if (response === undefined) return undefined;
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('content-range') ?? '');
    const partial = response.status === 206 && range !== null;
    if (partial && Number(range[1]) !== offset) {
      response.discard();
      throw new TareError('unavailable', `upstream sent another range of ${digest} than was asked for`);
    }
    const length = response.headers.get('content-length');
    return {
      size: partial ? Number(range[2]) : length === null ? undefined : Number(length),
      offset: partial ? offset : 0,
      body: () => response.body(),
      discard: () => response.discard(),
    };
  }

  async tags(repository: string, { limit, last }: Page): Promise<Slice | undefined> {
    const query = new URLSearchParams();
    if (limit !== undefined) query.set('n', String(limit));
    if (last !== undefined) query.set('last', last);
    const answer = await this.#json(repository, `${repository}/tags/list?${query}`);
    if (answer === undefined) return undefined;
    const { tags } = answer.body as { tags?: unknown };
    if (tags !== null && !Array.isArray(tags))
      throw new TareError('unavailable', 'upstream sent no list of tags');
    return { names: (tags ?? []).filter((tag) => typeof tag === 'string'), more: answer.more };
  }

  async referrers(repository: string, subject: string): Promise<readonly ReferrerDescriptor[]> {
    const answer = await this.#json(repository, `${repository}/referrers/${subject}`);
    if (answer === undefined) return [];
    const { manifests } = answer.body as { manifests?: unknown };
    if (!Array.isArray(manifests)) return [];
    return manifests.map((entry: { artifactType?: unknown }) => ({
      ...readDescriptor(entry, 'referrer'),
      ...(typeof entry.artifactType === 'string' ? { artifactType: entry.artifactType } : {}),
    }));
  }

  async #json(repository: string, path: string): Promise<{ body: object; more: boolean } | undefined> {
    const response = await this.#found(await this.#ask('GET', path, {}), repository);
    if (response === undefined) return undefined;
    const text = new TextDecoder().decode(await readAll(response, LIST_LIMIT, path));
    let body: unknown;
    try {
      body = JSON.parse(text);
    } catch (error) {
      throw new TareError('unavailable', `upstream sent no JSON for ${path}`, error);
    }
    if (typeof body !== 'object' || body === null)
      throw new TareError('unavailable', `upstream sent no object for ${path}`);
    return { body, more: /rel="?next"?/.test(response.headers.get('link') ?? '') };
  }

  /** Undefined when there is no such thing. Throws for every other answer that is no success. */
  async #found(response: HttpResponse, repository: string): Promise<HttpResponse | undefined> {
    const { status } = response;
    if (status === 200 || status === 206) return response;
    if (status === 404) {
      response.discard();
      return undefined;
    }
    const failure = await responseFailure(response, referenceTo(repository));
    // Docker Hub says "denied" for what does not exist.
    if (failure.kind === 'not-found') return undefined;
    throw refusal(failure);
  }

  async #ask(method: 'GET' | 'HEAD', path: string, headers: Record<string, string>): Promise<HttpResponse> {
    const session = await this.#sessions.open(this.#origin, this.#credentials, this.#signal);
    const repository = path.slice(0, path.search(/\/(manifests|blobs|tags|referrers)\/[^/]*$/));
    try {
      return await session.request({
        method,
        url: session.url(`/v2/${path}`),
        scope: `repository:${repository}:pull`,
        headers,
        signal: this.#signal,
      });
    } catch (error) {
      this.#sessions.forget(session);
      throw refusal(error);
    }
  }
}

/** Our client's credentials have nothing to do with those that upstream wants. */
function refusal(error: unknown): unknown {
  if (!isKind(error, 'unauthorized')) return error;
  return new TareError('forbidden', `the upstream registry refuses this one: ${error.message}`, error);
}

function referenceTo(repository: string): Reference {
  return { domain: 'upstream', path: repository };
}
