import { TareError } from '../base/errors.ts';
import { DEFAULT_DOMAIN } from '../oci/reference.ts';
import { Authorizer } from './authorizer.ts';
import { basicHeader } from './basic-header.ts';
import { parseChallenges } from './challenge.ts';
import { type Endpoint, endpointUrl, registryOf } from './endpoints.ts';
import { describeRequest } from './failures.ts';
import type { RegistryCredentials } from './registry-client.ts';
import type { Settings } from './settings.ts';
import { type HttpResponse, readAll, send } from './transport.ts';

/** Docker Hub's search; registries with the v1 API have it at the same path. */
const HUB_INDEX_URL = new URL('https://index.docker.io');
const DEFAULT_LIMIT = 25;
const LONGEST_LIMIT = 100;
/** Longest answer that is read, in bytes: 100 results are some 30 KB. */
const ANSWER_LIMIT = 4 * 1024 * 1024;

export interface SearchOptions {
  /** Results, 1 to 100; 0: 25. */
  readonly limit: number;
  readonly auth?: RegistryCredentials;
  readonly signal: AbortSignal;
}

export interface SearchResult {
  readonly name: string;
  readonly description: string;
  readonly stars: number;
  readonly official: boolean;
}

/**
 * Searches repositories by the v1 API, `GET /v1/search?q=…&n=…`, as dockerd does: at Docker Hub, or at the
 * registry that `term` begins with (`host:5000/name`). Throws `invalid` for a term or limit that cannot be,
 * `unavailable` when the registry has no search.
 */
export async function searchRepositories(
  term: string,
  options: SearchOptions,
  settings: Settings,
): Promise<SearchResult[]> {
  if (/^https?:\/\//.test(term)) {
    throw new TareError(
      'invalid',
      `invalid repository name: repository name (${term}) should not have a scheme`,
    );
  }
  const limit = options.limit === 0 ? DEFAULT_LIMIT : options.limit;
  if (!(limit >= 1 && limit <= LONGEST_LIMIT)) {
    throw new TareError('invalid', `limit ${limit} is outside the range of [1, ${LONGEST_LIMIT}]`);
  }
  const { domain, name } = splitTerm(term);
  let failure: unknown = new TareError('internal', `${domain} has no address`);
  for (const endpoint of await indexesOf(domain, settings)) {
    const query = new URLSearchParams({ q: name, n: String(limit) });
    const url = endpointUrl(endpoint, `/v1/search?${query}`);
    let response: HttpResponse;
    try {
      response = await ask(endpoint, url, options, settings);
    } catch (error) {
      if (options.signal.aborted) throw error;
      failure = error;
      continue;
    }
    if (response.status !== 200) {
      response.discard();
      throw new TareError('unavailable', `Unexpected status code ${response.status}`);
    }
    return readResults(await readAll(response, ANSWER_LIMIT, 'the search answer'));
  }
  throw failure;
}

/** The registry that a term begins with; a first part without a dot or a port is a part of the name. */
function splitTerm(term: string): { domain: string; name: string } {
  const slash = term.indexOf('/');
  const first = term.slice(0, Math.max(slash, 0));
  const isDomain = /[.:]/.test(first) || first === 'localhost';
  const domain = isDomain && first !== 'index.docker.io' ? first : DEFAULT_DOMAIN;
  const name = isDomain ? term.slice(slash + 1) : term;
  return { domain, name: domain === DEFAULT_DOMAIN ? name.replace(/^library\//, '') : name };
}

async function indexesOf(domain: string, settings: Settings): Promise<readonly Endpoint[]> {
  if (domain !== DEFAULT_DOMAIN) return (await registryOf(domain, settings)).alternatives;
  const certificates = settings.certificatesFor(HUB_INDEX_URL.host);
  return [{ url: HUB_INDEX_URL, insecure: false, certificates, namespace: undefined }];
}

/** An identity token works by the token server only, which a first answer of 401 names. */
async function ask(
  endpoint: Endpoint,
  url: URL,
  options: SearchOptions,
  settings: Settings,
): Promise<HttpResponse> {
  const { auth = {}, signal } = options;
  const { insecure, certificates } = endpoint;
  const common = { signal, insecure, certificates, timeoutMs: settings.connectTimeoutMs };
  const { proxyFor, userAgent } = settings;
  const basic = auth.identityToken ? undefined : basicHeader(auth);
  const attempt = (authorization: string | undefined) =>
    send({
      ...common,
      method: 'GET',
      url,
      headers: {
        'User-Agent': userAgent,
        'X-Docker-Token': 'true',
        ...(authorization === undefined ? {} : { Authorization: authorization }),
      },
      proxyFor,
    });
  const first = await attempt(basic);
  const challenges = parseChallenges(first.headers.get('www-authenticate'));
  if (first.status !== 401 || challenges.length === 0) return first;
  first.discard();
  const authorizer = new Authorizer(auth, challenges, { ...common, userAgent, proxyFor });
  const header = await authorizer.header('registry:catalog:search', { method: 'GET', url }, signal);
  if (header === undefined || header === basic) {
    throw new TareError(
      'unauthorized',
      `${describeRequest('GET', url)}: unauthorized: authentication required`,
    );
  }
  return attempt(header);
}

function readResults(bytes: Uint8Array): SearchResult[] {
  let answer: unknown;
  try {
    answer = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new TareError('unavailable', 'error decoding registry search results: not JSON', error);
  }
  const list = (answer as { results?: unknown } | null)?.results;
  return (Array.isArray(list) ? list : []).flatMap((entry: unknown) => {
    if (typeof entry !== 'object' || entry === null) return [];
    const fields = entry as Record<string, unknown>;
    return [
      {
        name: textOf(fields.name),
        description: textOf(fields.description),
        stars: typeof fields.star_count === 'number' ? fields.star_count : 0,
        official: fields.is_official === true,
      },
    ];
  });
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : '');
