import { isKind, TareError } from '../base/errors.ts';
import type { Semaphore } from '../base/semaphore.ts';
import type { Descriptor } from '../oci/descriptor.ts';
import type { Reference } from '../oci/reference.ts';
import { openUpload, pushScope, type UploadTarget, uploadBlob } from './blob-upload.ts';
import { RetryableError } from './failures.ts';
import { plainFailure } from './plain-failure.ts';
import type { BlobSource, PushedBlob, RepositoryPush } from './registry-client.ts';
import { isRetryableStatus } from './response-failure.ts';
import { withRetries } from './retry.ts';
import type { RegistrySession } from './session.ts';
import type { SingleFlight } from './single-flight.ts';
import type { HttpResponse } from './transport.ts';

/** Other repositories that are asked for a blob before it is sent, and digests that are asked for; as dockerd's. */
const MOUNT_ATTEMPTS = 3;
const KNOWN_LIMIT = 3;
/** Progress lines come at most this often, in milliseconds. */
const INTERVAL_MS = 100;
/** A registry may check all that an image's manifest names before it answers, in milliseconds. */
const MANIFEST_TIMEOUT_MS = 300_000;

/** What all pushes of one client share. */
export interface UploadSlots {
  readonly slots: Semaphore;
  readonly flights: SingleFlight;
  /** What the bytes of a flight's progress add up to, by its key. */
  readonly totals: Map<string, number>;
}

/** One repository, opened for writing. */
export class OpenPush implements RepositoryPush {
  readonly #session: RegistrySession;
  readonly #ref: Reference;
  readonly #shared: UploadSlots;
  readonly #signal: AbortSignal;

  constructor(session: RegistrySession, ref: Reference, shared: UploadSlots, signal: AbortSignal) {
    this.#session = session;
    this.#ref = ref;
    this.#shared = shared;
    this.#signal = signal;
  }

  async blob(source: BlobSource): Promise<PushedBlob> {
    const { slots, flights, totals } = this.#shared;
    const key = `${this.#session.endpoint.url.href} ${this.#ref.path} ${source.key}`;
    let done: PushedBlob | undefined;
    const listener = (current: number) =>
      source.report({ state: 'pushing', current, total: totals.get(key) ?? 0 });
    await flights.run(key, this.#signal, listener, (signal, tell) => {
      if (!slots.idle) source.report({ state: 'waiting' });
      return slots
        .run(signal, async () => {
          done = await this.#bring(source, signal, (current, all) => {
            totals.set(key, all);
            tell(current);
          });
        })
        .finally(() => totals.delete(key));
    });
    // Who joined another push's upload finds the blob there.
    return done ?? this.blob(source);
  }

  async manifest(selector: string, mediaType: string, bytes: Uint8Array): Promise<void> {
    const { path } = this.#ref;
    await withRetries(this.#session.retryPolicy(this.#signal), async () => {
      const response = await this.#session.request({
        method: 'PUT',
        url: this.#session.url(`/v2/${path}/manifests/${selector}`),
        scope: pushScope(path),
        headers: { 'Content-Type': mediaType },
        body: bytes,
        signal: this.#signal,
        timeoutMs: MANIFEST_TIMEOUT_MS,
      });
      if (response.status < 200 || response.status > 299) throw await plainFailure(response, 'PUT');
      response.discard();
    });
  }

  /** Finds the blob in the repository, mounts it from another, or sends it. */
  async #bring(
    source: BlobSource,
    signal: AbortSignal,
    tell: (current: number, total: number) => void,
  ): Promise<PushedBlob> {
    const target: UploadTarget = { session: this.#session, path: this.#ref.path, signal };
    const known = source.known().slice(0, KNOWN_LIMIT);
    for (const descriptor of known) {
      if (await this.#has(descriptor, signal)) return { descriptor, how: 'there' };
    }
    let started: HttpResponse | undefined;
    let attempts = 0;
    for (const descriptor of known) {
      for (const from of source.mountFrom(descriptor.digest)) {
        if (from === this.#ref.path || attempts++ >= MOUNT_ATTEMPTS) continue;
        // A mount that is not possible opens an upload instead, which the next attempt or the sending uses.
        const response: HttpResponse | undefined = await tryMount(target, descriptor, from);
        if (response?.status === 201) {
          started?.discard();
          response.discard();
          return { descriptor, how: 'mounted', from };
        }
        if (response !== undefined) {
          started?.discard();
          started = response;
        }
      }
    }
    const descriptor = await uploadBlob(target, source, throttled(tell), started);
    return { descriptor, how: 'sent' };
  }

  async #has({ digest, size }: Descriptor, signal: AbortSignal): Promise<boolean> {
    const { path } = this.#ref;
    return withRetries(this.#session.retryPolicy(signal), async () => {
      const response = await this.#session.request({
        method: 'HEAD',
        url: this.#session.url(`/v2/${path}/blobs/${digest}`),
        scope: pushScope(path),
        signal,
      });
      response.discard();
      if (isRetryableStatus(response.status)) throw await plainFailure(response, 'HEAD');
      if (response.status !== 200) return false;
      const length = response.headers.get('content-length');
      return length === null || Number(length) === size;
    });
  }
}

/** A registry that cannot or will not mount is no error: the blob is sent then. */
async function tryMount(
  target: UploadTarget,
  { digest }: Descriptor,
  from: string,
): Promise<HttpResponse | undefined> {
  try {
    const policy = target.session.retryPolicy(target.signal);
    return await withRetries(policy, () => openUpload(target, { digest, from }));
  } catch (error) {
    if (!(error instanceof TareError) || error instanceof RetryableError || isKind(error, 'cancelled'))
      throw error;
    return undefined;
  }
}

function throttled(tell: (current: number, total: number) => void): (current: number, total: number) => void {
  let last = 0;
  return (current, total) => {
    const now = performance.now();
    if (current < total && now - last < INTERVAL_MS) return;
    last = now;
    tell(current, total);
  };
}
