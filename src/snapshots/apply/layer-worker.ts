import { createReadStream } from 'node:fs';
import { decompressedWithin, type UnpackLimit } from '../../archive/unpack-limit.ts';
import { type ErrorKind, messageOf, TareError } from '../../base/errors.ts';
import { freeBuffer } from '../../base/free-buffer.ts';
import { codeOf, fromNodeError } from '../../kernel/errno.ts';
import { DirectoryJob } from '../directories/directory-job.ts';
import { ErofsJob } from '../erofs/erofs-job.ts';
import type { LayerJob, LayerJobRequest, LayerJobResult } from './layer-job.ts';
import { MemberReader } from './member-reader.ts';
import { type PackedMembers, unpackMembers } from './packed-members.ts';

/*
 * Runs layer jobs away from the main thread: hashing, parsing and writing block. One job at a time.
 */

/**
 * Messages to the Worker: a job begins, then come the bytes of its tar, or a file that has them. With `limit` they
 * are packed. `chunk` is transferred.
 */
export type ToWorker =
  | { readonly begin: LayerJobRequest; readonly file?: string; readonly limit?: UnpackLimit }
  | { readonly chunk: Uint8Array<ArrayBuffer> }
  | { readonly members: PackedMembers }
  | { readonly end: true }
  | { readonly abort: true };

/** Messages from the Worker: each chunk is given back once, transferred; each job ends with a result or an error. */
export type FromWorker =
  | { readonly taken: Uint8Array<ArrayBuffer> }
  | { readonly read: number }
  | { readonly result: LayerJobResult }
  | { readonly aborted: true }
  | { readonly error: { readonly kind: ErrorKind; readonly message: string } };

declare const self: Worker;

/** Bytes that are read from a file at once. */
const PIECE = 512 * 1024;

const reader = new MemberReader();
let job: LayerJob | undefined;
/** Where the chunks of a packed stream wait for being unpacked. */
let queue: ChunkQueue | undefined;
/** After an error the rest of the job's messages are only acknowledged. */
let failed = false;

function reply(message: FromWorker): void {
  self.postMessage(message);
}

/** A smaller chunk may still wait in front of a decompressor, which says that it is full only from some size on. */
const WHOLE = 256 * 1024;

/** A chunk was read. */
function giveBack(chunk: Uint8Array<ArrayBuffer>): void {
  if (chunk.byteLength < WHOLE) reply({ taken: new Uint8Array(0) });
  else self.postMessage({ taken: chunk } satisfies FromWorker, [chunk.buffer]);
}

function fail(error: unknown): void {
  job?.abandon();
  job = undefined;
  failed = true;
  const code = codeOf(error);
  const full = code === 'ENOSPC' || code === 'EDQUOT';
  const known = error instanceof TareError ? error : fromNodeError(error, 'cannot store the layer');
  const message = full
    ? 'cannot store the layer: no space left on device: free some and try again'
    : messageOf(known);
  reply({ error: { kind: known.kind, message } });
}

function begin(request: LayerJobRequest): void {
  failed = false;
  job = request.kind === 'erofs' ? new ErofsJob(request) : new DirectoryJob(request);
}

function finish(): void {
  if (failed || job === undefined) return;
  const result = job.finish();
  job = undefined;
  reply({ result });
}

/** Unpacks and stores: what is read and decompressed next is under way while this thread works. */
async function storePacked(source: AsyncIterable<Uint8Array>, limit: UnpackLimit): Promise<void> {
  const work = job;
  for await (const piece of decompressedWithin(source, limit)) {
    // An abort has ended it.
    if (work === undefined || job !== work) return;
    work.push(piece);
    freeBuffer(piece);
  }
  if (job === work) finish();
}

async function* filePieces(path: string): AsyncGenerator<Uint8Array> {
  let read = 0;
  for await (const piece of createReadStream(path, { highWaterMark: PIECE })) {
    read += piece.byteLength;
    yield piece as Uint8Array;
    freeBuffer(piece);
    reply({ read });
  }
}

/** Chunks of a packed stream, each given back when the next one is asked for. */
class ChunkQueue {
  readonly #chunks: Uint8Array<ArrayBuffer>[] = [];
  #ended = false;
  #wake: () => void = () => {};

  add(chunk: Uint8Array<ArrayBuffer>): void {
    this.#chunks.push(chunk);
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const chunk = this.#chunks.shift();
      if (chunk !== undefined) {
        yield chunk;
        giveBack(chunk);
      } else if (this.#ended) return;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }
}

function take(chunk: Uint8Array<ArrayBuffer>): void {
  if (queue !== undefined && !failed) {
    queue.add(chunk);
    return;
  }
  try {
    job?.push(chunk);
  } finally {
    giveBack(chunk);
  }
}

function takeMembers(members: PackedMembers): void {
  try {
    if (!failed && job) for (const member of unpackMembers(members)) reader.push(member, job);
  } finally {
    reply({ taken: new Uint8Array(0) });
  }
}

function handle(message: ToWorker): void {
  if ('begin' in message) {
    begin(message.begin);
    const { file, limit } = message;
    queue = limit === undefined || file !== undefined ? undefined : new ChunkQueue();
    const source = file === undefined ? queue : filePieces(file);
    if (source !== undefined && limit !== undefined) storePacked(source, limit).catch(fail);
  } else if ('chunk' in message) take(message.chunk);
  else if ('members' in message) takeMembers(message.members);
  else if ('end' in message) {
    if (queue === undefined) finish();
    else queue.end();
  } else {
    queue?.end();
    job?.abandon();
    job = undefined;
    if (!failed) reply({ aborted: true });
  }
}

self.onmessage = (event: MessageEvent<ToWorker>): void => {
  try {
    handle(event.data);
  } catch (error) {
    fail(error);
  }
};
