import { isKind, TareError } from '../base/errors.ts';
import type { ContentStore, Ingest } from '../content/content.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Reference } from '../oci/reference.ts';
import { describeRequest, RetryableError } from './failures.ts';
import type { BlobTap } from './registry-client.ts';
import { responseFailure } from './response-failure.ts';
import { Retries } from './retry.ts';
import type { RegistrySession } from './session.ts';
import type { HttpResponse } from './transport.ts';

/** A try that brought at least this many bytes does not count as a failed one. */
const PROGRESS_BYTES = 64 * 1024;

/** The server cannot go on where the ingest ends: begin at 0. */
class RestartNeeded extends Error {}

/** Who looks on: `progress` with the bytes that are there, `tap` as FetchOptions.tapFor. */
export interface BlobWatch {
  readonly progress: (current: number) => void;
  readonly tap?: (() => BlobTap | undefined) | undefined;
}

/**
 * Brings one blob into the store. After a cut it asks for the rest only (RFC 9110 range requests), also when
 * the cut was in an earlier fetch. Size is checked while streaming, the digest at the end; a blob that was put
 * together from several answers and is wrong is fetched once more from its beginning. When it throws, what came
 * stays in the ingest for the next fetch, unless it is wrong.
 */
export async function downloadBlob(
  session: RegistrySession,
  ref: Reference,
  descriptor: Descriptor,
  content: ContentStore,
  watch: BlobWatch,
  signal: AbortSignal,
): Promise<void> {
  let tap: BlobTap | undefined;
  const retries = new Retries(session.retryPolicy(signal));
  let restarts = 0;
  for (let first = true; ; first = false) {
    const ingest = await content.ingest(`pull:${descriptor.digest}`);
    const start = ingest.offset;
    if (first && start === 0) tap = watch.tap?.();
    try {
      if (start > descriptor.size) throw new RestartNeeded('the ingest is longer than the blob');
      if (start < descriptor.size) {
        const take = async (chunk: Uint8Array): Promise<void> => {
          await Promise.all([ingest.write(chunk), tap?.write(chunk)]);
          watch.progress(ingest.offset);
        };
        await transfer(session, ref, descriptor, ingest, take, signal);
      }
      tap?.end(true);
      await ingest.commit({
        digest: descriptor.digest,
        size: descriptor.size,
        mediaType: descriptor.mediaType,
      });
      return;
    } catch (error) {
      const wrong = error instanceof RestartNeeded || isKind(error, 'corrupt');
      if (wrong) tap?.end(false);
      if (wrong) await ingest.abort();
      else await ingest.close();
      if (wrong && start > 0 && restarts++ === 0) continue;
      if (wrong) throw verificationFailure(descriptor, error);
      if (ingest.offset - start >= PROGRESS_BYTES) retries.progressed();
      await retries.next(error).catch((failure: unknown) => {
        tap?.end(false);
        throw failure;
      });
    }
  }
}

function verificationFailure(descriptor: Descriptor, error: unknown): TareError {
  const reason = error instanceof Error ? ` (${error.message})` : '';
  return new TareError(
    'corrupt',
    `filesystem layer verification failed for digest ${descriptor.digest}${reason}`,
    error,
  );
}

async function transfer(
  session: RegistrySession,
  ref: Reference,
  descriptor: Descriptor,
  ingest: Ingest,
  take: (chunk: Uint8Array) => Promise<void>,
  signal: AbortSignal,
): Promise<void> {
  const from = ingest.offset;
  const headers = from > 0 ? { Range: `bytes=${from}-` } : {};
  const response = await session.get(ref, `blobs/${descriptor.digest}`, headers, signal);
  let skip = await bytesToSkip(response, ref, descriptor, from);
  for await (const piece of response.body()) {
    const chunk = skip === 0 ? piece : piece.subarray(Math.min(skip, piece.byteLength));
    skip -= piece.byteLength - chunk.byteLength;
    if (chunk.byteLength === 0) continue;
    if (ingest.offset + chunk.byteLength > descriptor.size) {
      throw new TareError('corrupt', `the server sent more than ${descriptor.size} bytes`);
    }
    await take(chunk);
  }
  if (ingest.offset < descriptor.size) {
    throw new RetryableError(
      'unavailable',
      `${describeRequest('GET', response.url)}: unexpected EOF after ${ingest.offset} of ${descriptor.size} bytes`,
    );
  }
}

/**
 * How many bytes at the answer's start are there already: none of a partial one, `from` of a server that
 * ignores ranges. Throws RestartNeeded when the answer is another part than the one asked for.
 */
async function bytesToSkip(
  response: HttpResponse,
  ref: Reference,
  descriptor: Descriptor,
  from: number,
): Promise<number> {
  if (response.status === 200) {
    const length = response.headers.get('content-length');
    if (length !== null && Number(length) !== descriptor.size) {
      response.discard();
      throw new TareError('corrupt', `the server has ${length} bytes, the manifest says ${descriptor.size}`);
    }
    return from;
  }
  if (response.status === 206 || response.status === 416) {
    const range = /^bytes (\d+)-(\d+)\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '');
    if (response.status === 206 && range !== null && fits(range, descriptor.size, from)) return 0;
    response.discard();
    throw new RestartNeeded(`the server answered another range than bytes ${from}-`);
  }
  throw await responseFailure(response, ref);
}

function fits(range: RegExpExecArray, size: number, from: number): boolean {
  const [, first, , total] = range;
  return Number(first) === from && (total === '*' || Number(total) === size);
}
