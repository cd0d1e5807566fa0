import { messageOf, TareError } from '../../base/errors.ts';
import { streamOf } from '../../base/streams.ts';
import type { ProgressEvent } from './images.ts';
import { withProgress } from './with-progress.ts';

/** How long a server may take to begin its answer, in milliseconds. */
const ANSWER_LIMIT = 60_000;

/**
 * What an address for `import` gives, with progress. As in Docker, `example.com/x.tar` means `http://example.com/x.tar`.
 * Throws `invalid` for an address that is none, `unavailable` when nobody answers or not with the file.
 */
export async function openImportSource(
  address: string,
  options: { readonly report: (event: ProgressEvent) => void; readonly signal: AbortSignal },
): Promise<ReadableStream<Uint8Array>> {
  const url = parseAddress(address);
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), ANSWER_LIMIT);
  let answer: Response;
  try {
    // As it is on the wire: what is compressed is recognised by its first bytes.
    const signal = AbortSignal.any([options.signal, late.signal]);
    answer = await fetch(url, { signal, decompress: false });
  } catch (error) {
    if (options.signal.aborted) throw new TareError('cancelled', 'the import was cancelled', error);
    const reason = late.signal.aborted ? `no answer within ${ANSWER_LIMIT / 1000} s` : messageOf(error);
    throw new TareError('unavailable', `cannot download ${url}: ${reason}`, error);
  } finally {
    clearTimeout(timer);
  }
  if (!answer.ok || answer.body === null) {
    await answer.body?.cancel();
    throw new TareError(
      'unavailable',
      `failed to GET ${url} with status ${answer.status} ${answer.statusText}`.trim(),
    );
  }
  options.report({ status: `Downloading from ${url}` });
  const total = Number(answer.headers.get('content-length') ?? 0);
  const source = withProgress(answer.body, (current) => {
    options.report({ status: 'Importing', current, ...(total > 0 ? { total } : {}) });
  });
  return streamOf(source);
}

function parseAddress(address: string): URL {
  try {
    const url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(address) ? address : `http://${address}`);
    if (url.protocol === 'http:' || url.protocol === 'https:') return url;
  } catch {
    // Said below.
  }
  throw new TareError(
    'invalid',
    `cannot import from ${JSON.stringify(address)}: give an http or https address`,
  );
}
