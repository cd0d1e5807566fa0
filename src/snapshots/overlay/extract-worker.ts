import { type ErrorKind, messageOf, TareError } from '../../base/errors.ts';
import { codeOf, fromNodeError } from '../../kernel/errno.ts';
import { LayerJob, type LayerJobRequest, type LayerJobResult } from './layer-job.ts';

/*
 * Runs layer jobs away from the main thread: extraction is thousands of small blocking calls. One job at a time.
 */

/** Messages to the Worker. `chunk` is transferred. */
export type ToWorker =
  | { readonly begin: LayerJobRequest }
  | { readonly chunk: Uint8Array }
  | { readonly end: true }
  | { readonly abort: true };

/** Messages from the Worker: each chunk is acknowledged once, each job ends with a result or an error. */
export type FromWorker =
  | { readonly ack: true }
  | { readonly result: LayerJobResult }
  | { readonly aborted: true }
  | { readonly error: { readonly kind: ErrorKind; readonly message: string } };

declare const self: Worker;

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

function handle(message: ToWorker): void {
  if ('begin' in message) {
    failed = false;
    job = new LayerJob(message.begin);
  } else if ('chunk' in message) {
    reply({ ack: true });
    job?.push(message.chunk);
  } else if ('end' in message) {
    if (failed || job === undefined) return;
    const result = job.finish();
    job = undefined;
    reply({ result });
  } else {
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
