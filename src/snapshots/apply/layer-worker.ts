import { createReadStream } from 'node:fs';
import { decompressedWithin } from '../../archive/unpack-limit.ts';
import { type ErrorKind, messageOf, TareError } from '../../base/errors.ts';
import { codeOf, fromNodeError } from '../../kernel/errno.ts';
import { DirectoryJob } from '../directories/directory-job.ts';
import { ErofsJob } from '../erofs/erofs-job.ts';
import type { LayerJob, LayerJobRequest, LayerJobResult } from './layer-job.ts';

/*
 * Runs layer jobs away from the main thread: hashing, parsing and writing block. One job at a time.
 */

/** Messages to the Worker: a job begins, then come its bytes, or the file that has them. `chunk` is transferred. */
export type ToWorker =
  | { readonly begin: LayerJobRequest }
  | { readonly chunk: Uint8Array }
  | { readonly file: string; readonly maxBytes: number }
  | { readonly end: true }
  | { readonly abort: true };

/** Messages from the Worker: each chunk is acknowledged once, each job ends with a result or an error. */
export type FromWorker =
  | { readonly ack: true }
  | { readonly read: number }
  | { readonly result: LayerJobResult }
  | { readonly aborted: true }
  | { readonly error: { readonly kind: ErrorKind; readonly message: string } };

declare const self: Worker;

/** Bytes that are read from a file at once. */
const PIECE = 512 * 1024;

let job: LayerJob | undefined;
/** After an error the rest of the job's messages are only acknowledged. */
let failed = false;

function reply(message: FromWorker): void {
  self.postMessage(message);
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

/** Stores a whole file: what is read and decompressed next is under way while this thread works. */
async function storeFile(path: string, maxBytes: number): Promise<void> {
  const work = job;
  for await (const piece of decompressedWithin(reportedPieces(path), { maxBytes })) {
    // An abort has ended it.
    if (work === undefined || job !== work) return;
    work.push(piece);
  }
  finish();
}

async function* reportedPieces(path: string): AsyncGenerator<Uint8Array> {
  let read = 0;
  for await (const piece of createReadStream(path, { highWaterMark: PIECE })) {
    yield piece as Uint8Array;
    read += piece.byteLength;
    reply({ read });
  }
}

function handle(message: ToWorker): void {
  if ('begin' in message) begin(message.begin);
  else if ('chunk' in message) {
    reply({ ack: true });
    job?.push(message.chunk);
  } else if ('file' in message) storeFile(message.file, message.maxBytes).catch(fail);
  else if ('end' in message) finish();
  else {
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
