import { TareError } from '../base/errors.ts';
import { isTag, type Reference } from '../oci/reference.ts';
import { responseFailure } from './response-failure.ts';
import { withRetries } from './retry.ts';
import type { RegistrySession } from './session.ts';
import { readAll } from './transport.ts';

/** Tags of one page, and bytes of its body. */
const PAGE_SIZE = 1000;
const PAGE_LIMIT = 4 * 1024 * 1024;
/** More than any repository has: a server that always names another page ends here. */
const TAGS_LIMIT = 100_000;

/**
 * All tags of a repository, page by page (distribution-spec, "Listing tags": the next page is in the `Link` header).
 * Throws `not-found`, `unauthorized`, `unavailable`, `timeout`, `corrupt` or `cancelled`.
 */
export async function listTags(
  session: RegistrySession,
  ref: Reference,
  signal: AbortSignal,
): Promise<string[]> {
  const tags = new Set<string>();
  let url = session.url(`/v2/${ref.path}/tags/list?n=${PAGE_SIZE}`);
  for (;;) {
    const page = await readPage(session, ref, url, signal);
    const before = tags.size;
    for (const tag of page.tags) tags.add(tag);
    if (page.next === undefined) return [...tags];
    // Pages that bring nothing new would never end.
    if (tags.size === before || tags.size > TAGS_LIMIT) {
      throw new TareError('corrupt', `the registry's list of tags of ${ref.path} does not end`);
    }
    url = page.next;
  }
}

async function readPage(
  session: RegistrySession,
  ref: Reference,
  url: URL,
  signal: AbortSignal,
): Promise<{ tags: string[]; next: URL | undefined }> {
  return withRetries(session.retryPolicy(signal), async () => {
    const scope = `repository:${ref.path}:pull`;
    const response = await session.request({ method: 'GET', url, scope, signal });
    if (response.status !== 200) throw await responseFailure(response, ref);
    const link = /<([^>]*)>\s*;\s*rel="?next"?/.exec(response.headers.get('link') ?? '')?.[1];
    const body = await readAll(response, PAGE_LIMIT, 'list of tags');
    return { tags: parseTags(body), next: link === undefined ? undefined : nextPage(url, link) };
  });
}

/** The next page lies at the same registry: the token goes along. */
function nextPage(from: URL, link: string): URL {
  const next = URL.canParse(link, from.href) ? new URL(link, from) : undefined;
  if (next?.origin === from.origin) return next;
  throw new TareError('corrupt', 'the next page of the list of tags is not at the registry');
}

function parseTags(body: Uint8Array): string[] {
  let document: unknown;
  try {
    document = JSON.parse(new TextDecoder().decode(body));
  } catch (error) {
    throw new TareError('corrupt', 'the list of tags is not JSON', error);
  }
  const tags = typeof document === 'object' && document !== null && 'tags' in document ? document.tags : null;
  // A repository whose tags are all gone has null.
  if (tags === null) return [];
  if (!Array.isArray(tags)) throw new TareError('corrupt', 'the list of tags is no list');
  return tags.filter((tag): tag is string => typeof tag === 'string' && isTag(tag));
}
