import { checkDigest } from '../names.ts';
import { RegistryError } from '../registry-error.ts';
import type { Page, RegistryReader, Slice } from '../registry-server.ts';
import type { Exchange } from './exchange.ts';

const INDEX = 'application/vnd.oci.image.index.v1+json';
/** Most names of one page when the client asks for more. */
const PAGE_LIMIT = 10_000;

/** GET `/v2/{name}/tags/list` (end-8). */
export async function listTags({ url, repository, place }: Exchange): Promise<Response> {
  const slice = await place.reader.tags(place.repository, pageOf(url));
  if (slice === undefined) throw new RegistryError('NAME_UNKNOWN', { detail: { name: repository } });
  return listResponse(url, { name: repository, tags: slice.names }, slice);
}

/** GET `/v2/_catalog`: docker-registry's list of repositories, of those that the caller may pull. */
export async function listRepositories(
  url: URL,
  reader: RegistryReader,
  mayPull: (name: string) => boolean,
): Promise<Response> {
  const page = pageOf(url);
  const names: string[] = [];
  let { last } = page;
  for (;;) {
    const wanted = page.limit === undefined ? undefined : page.limit - names.length;
    const slice = await reader.repositories({ limit: wanted, last });
    names.push(...slice.names.filter(mayPull));
    last = slice.names.at(-1);
    const full = page.limit !== undefined && names.length >= page.limit;
    if (slice.more && !full) continue;
    return listResponse(url, { repositories: names }, { names, more: slice.more });
  }
}

/** GET `/v2/{name}/referrers/{digest}` (end-12): an index, empty when nothing refers to the digest. */
export async function listReferrers({ url, reference, place }: Exchange): Promise<Response> {
  const all = await place.reader.referrers(place.repository, checkDigest(reference));
  const artifactType = url.searchParams.get('artifactType');
  const manifests = artifactType === null ? all : all.filter((entry) => entry.artifactType === artifactType);
  const headers = {
    'Content-Type': INDEX,
    ...(artifactType === null ? {} : { 'OCI-Filters-Applied': 'artifactType' }),
  };
  return new Response(JSON.stringify({ schemaVersion: 2, mediaType: INDEX, manifests }), { headers });
}

function pageOf(url: URL): Page {
  const n = url.searchParams.get('n');
  const last = url.searchParams.get('last') ?? undefined;
  if (n === null) return { limit: undefined, last };
  if (!/^\d{1,9}$/.test(n)) {
    throw new RegistryError('UNSUPPORTED', {
      status: 400,
      message: `invalid number of results ${JSON.stringify(n)}: n takes a number from 0`,
    });
  }
  return { limit: Math.min(Number(n), PAGE_LIMIT), last };
}

function listResponse(url: URL, body: object, { names, more }: Slice): Response {
  const next = new URLSearchParams(url.searchParams);
  const last = names.at(-1);
  if (last !== undefined) next.set('last', last);
  const link: Record<string, string> =
    more && last !== undefined ? { Link: `<${url.pathname}?${next}>; rel="next"` } : {};
  return Response.json(body, { headers: link });
}
