import { availableParallelism } from 'node:os';
import { BufferRing } from '../base/buffer-ring.ts';
import { TareError } from '../base/errors.ts';
import { piecesOf } from '../base/streams.ts';
import { workerUrl } from '../base/worker-url.ts';
import type { BlockReply, BlockRequest } from './block-gzip-worker.ts';

/** Bytes of a block: smaller ones compress worse, larger ones take more memory for nothing (docs/adr/0008). */
const BLOCK = 1024 * 1024;
/** Blocks in front of each thread: one that it works on and one that waits. */
const QUEUED = 2;
/** How long an unused thread is kept, in milliseconds. */
const IDLE = 5000;

/**
 * What makes the output of `BlockGzip` reproducible: equal names and equal levels give equal bytes for equal
 * input. A Tare that carries another encoder has another name, and takes no recipe of this one.
 */
export const BLOCK_GZIP_ENCODER = `gzip-1m-skip-libdeflate-${process.versions.libdeflate ?? 'unknown'}`;
/** Smaller than what `gzip -6` and Go's default make, at a quarter of their time (docs/adr/0008). */
export const BLOCK_GZIP_LEVEL = 5;

interface Job {
  readonly request: BlockRequest;
  readonly resolve: (member: Uint8Array) => void;
  readonly reject: (error: Error) => void;
}

interface Thread {
  readonly worker: Worker;
  readonly jobs: Map<number, Job>;
}

/**
 * Gzip that uses all cores and gives the same bytes every time: the input is cut into blocks of 1 MiB, each of
 * which becomes a gzip member of its own (RFC 1952 section 2.2: members one after another are one stream; Go,
 * zlib's gzread and every container tool read them). Streams that are compressed at once share the threads.
 */
export class BlockGzip {
  readonly #limit: number;
  readonly #threads: Thread[] = [];
  readonly #waiting: Job[] = [];
  readonly #buffers = new BufferRing(BLOCK);
  #nextId = 0;
  #idle: ReturnType<typeof setTimeout> | undefined;

  /** `limit`: threads at once; default one for each core. */
  constructor(limit: number = availableParallelism()) {
    this.#limit = limit;
  }

  /** Compresses a stream; what comes out is one member each. Errors of the source come through. */
  async *encode(source: AsyncIterable<Uint8Array>, level = BLOCK_GZIP_LEVEL): AsyncGenerator<Uint8Array> {
    const members: Promise<Uint8Array>[] = [];
    let empty = true;
    for await (const piece of piecesOf(source, BLOCK, () => this.#buffers.take())) {
      empty = false;
      members.push(this.#compress(piece, level));
      if (members.length > this.#limit * QUEUED) yield await (members.shift() as Promise<Uint8Array>);
    }
    if (empty) members.push(this.#compress(new Uint8Array(0), level));
    for (const member of members) yield await member;
  }

  /** Lets go of the threads; what is under way fails with `cancelled`. */
  close(): void {
    clearTimeout(this.#idle);
    const ended = new TareError('cancelled', 'the compression was ended');
    for (const job of this.#waiting.splice(0)) job.reject(ended);
    for (const thread of this.#threads.slice()) this.#drop(thread, ended);
  }

  #compress(piece: Uint8Array<ArrayBuffer>, level: number): Promise<Uint8Array> {
    const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
    // Whoever leaves the loop early awaits none of the rest.
    promise.catch(() => {});
    this.#waiting.push({ request: { id: this.#nextId++, piece, level }, resolve, reject });
    this.#dispatch();
    return promise;
  }

  #dispatch(): void {
    clearTimeout(this.#idle);
    while (this.#waiting.length > 0) {
      const thread = this.#freeThread();
      const job = thread && this.#waiting.shift();
      if (thread === undefined || job === undefined) return;
      thread.worker.ref();
      thread.jobs.set(job.request.id, job);
      thread.worker.postMessage(job.request, [job.request.piece.buffer]);
    }
    if (this.#threads.some(({ jobs }) => jobs.size > 0)) return;
    this.#idle = setTimeout(() => {
      for (const thread of this.#threads.slice()) this.#drop(thread, new Error('idle'));
      this.#buffers.clear();
    }, IDLE);
    this.#idle.unref();
  }

  /** The thread with the fewest blocks; a new one rather than one that works. */
  #freeThread(): Thread | undefined {
    const [least] = this.#threads.toSorted((a, b) => a.jobs.size - b.jobs.size);
    if (least !== undefined && least.jobs.size === 0) return least;
    if (this.#threads.length < this.#limit) return this.#start();
    return least !== undefined && least.jobs.size < QUEUED ? least : undefined;
  }

  #start(): Thread {
    const thread: Thread = {
      worker: new Worker(workerUrl('archive/block-gzip-worker.ts')),
      jobs: new Map(),
    };
    thread.worker.onmessage = ({ data }: MessageEvent<BlockReply>): void => {
      this.#buffers.giveBack(data.piece);
      thread.jobs.get(data.id)?.resolve(data.member);
      thread.jobs.delete(data.id);
      if (thread.jobs.size === 0) thread.worker.unref();
      this.#dispatch();
    };
    thread.worker.onerror = (event: ErrorEvent): void => {
      this.#drop(thread, new TareError('internal', `the compression thread failed: ${event.message}`));
      this.#dispatch();
    };
    this.#threads.push(thread);
    return thread;
  }

  #drop(thread: Thread, reason: Error): void {
    this.#threads.splice(this.#threads.indexOf(thread), 1);
    thread.worker.terminate();
    for (const job of thread.jobs.values()) job.reject(reason);
    thread.jobs.clear();
  }
}
