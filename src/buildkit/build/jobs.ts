import { TareError } from '../../base/errors.ts';
import type { BuildResult } from '../../engine/builder/builder.ts';
import type { GrpcError } from '../grpc/grpc-error.ts';
import { Progress } from './progress.ts';

/** What a driving client says at the end: which of its results counts, or why there is none. */
export type Returned = { readonly ref: string; readonly metadata: Metadata } | { readonly error: GrpcError };
export type Metadata = Readonly<Record<string, Uint8Array>>;

/** One build, by the reference that the client has given it. */
export class Job {
  readonly ref: string;
  readonly sessionId: string;
  readonly progress = new Progress();
  /** Of the solves of a driving client, by the reference that it was given. */
  readonly results = new Map<string, BuildResult>();
  /** Ids of the images that were there before it. */
  readonly imagesBefore: ReadonlySet<string>;
  /** How the last solve of a driving client failed: it comes back in the client's own words. */
  failure: GrpcError | undefined;
  /** Aborted when the client gives the build up. */
  readonly signal: AbortSignal;
  readonly #returned = Promise.withResolvers<Returned>();
  readonly #cleanups: Array<() => Promise<void>> = [];

  constructor(ref: string, sessionId: string, signal: AbortSignal, imagesBefore: ReadonlySet<string>) {
    this.imagesBefore = imagesBefore;
    this.ref = ref;
    this.sessionId = sessionId;
    this.signal = signal;
    signal.addEventListener('abort', () => {
      this.#returned.reject(new TareError('cancelled', 'context canceled'));
    });
    this.#returned.promise.catch(() => {});
  }

  /** The driving client has ended. */
  return(what: Returned): void {
    this.#returned.resolve(what);
  }

  get returned(): Promise<Returned> {
    return this.#returned.promise;
  }

  /** Is called when the build is over. */
  onEnd(cleanup: () => Promise<void>): void {
    this.#cleanups.push(cleanup);
  }

  async end(): Promise<void> {
    this.progress.end();
    for (const cleanup of this.#cleanups.splice(0).reverse()) await cleanup();
  }
}

/** How long a call waits for the build that it names; each comes as a call of its own. Milliseconds. */
const PATIENCE = 10_000;
/** How long an ended build can still be asked for its status. Milliseconds. */
const LINGER = 10_000;

/** The builds under way. */
export class Jobs {
  readonly #jobs = new Map<string, Job>();
  readonly #waiting = new Set<() => void>();

  begin(ref: string, sessionId: string, signal: AbortSignal, imagesBefore: ReadonlySet<string>): Job {
    if (ref === '') throw new TareError('invalid', 'a build without a reference');
    if (this.#jobs.has(ref)) throw new TareError('conflict', `job ID ${ref} exists`);
    const job = new Job(ref, sessionId, signal, imagesBefore);
    this.#jobs.set(ref, job);
    for (const wake of this.#waiting) wake();
    return job;
  }

  async end(job: Job): Promise<void> {
    await job.end();
    setTimeout(() => this.#jobs.delete(job.ref), LINGER).unref();
  }

  /** The build of a reference, which may be about to begin. Throws `not-found`. */
  async get(ref: string, signal: AbortSignal): Promise<Job> {
    const deadline = Date.now() + PATIENCE;
    for (;;) {
      const job = this.#jobs.get(ref);
      if (job !== undefined) return job;
      if (signal.aborted) throw new TareError('cancelled', 'context canceled');
      const left = deadline - Date.now();
      if (left <= 0) throw new TareError('not-found', `no such job ${ref}`);
      await this.#change(left, signal);
    }
  }

  #change(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#waiting.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, milliseconds);
      this.#waiting.add(done);
      signal.addEventListener('abort', done);
    });
  }
}
