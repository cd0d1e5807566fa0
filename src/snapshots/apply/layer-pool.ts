import { BufferRing } from '../../base/buffer-ring.ts';
import { TareError } from '../../base/errors.ts';
import { piecesOf } from '../../base/streams.ts';
import { workerUrl } from '../../base/worker-url.ts';
import type { LayerSource } from '../snapshots.ts';
import type { LayerJobRequest, LayerJobResult } from './layer-job.ts';
import type { FromWorker, ToWorker } from './layer-worker.ts';
import { packMembers } from './packed-members.ts';

/** Bytes of one message to a Worker; small pieces are joined. */
const MESSAGE = 1024 * 1024;
/** Messages on their way to a Worker, or in its hands: bounds the memory to 3 MiB a layer. */
const WINDOW = 3;
/** How long an unused Worker is kept, in milliseconds. */
const IDLE = 5000;

/** Runs layer jobs in Workers, at most `limit` at once; an idle Worker ends soon. */
export class LayerPool {
  readonly #limit: number;
  readonly #idle: Array<{ worker: Worker; timer: ReturnType<typeof setTimeout> }> = [];
  readonly #waiting: Array<() => void> = [];
  #running = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Feeds `source` to one job. A stream is cancelled when the job fails. */
  async run(request: LayerJobRequest, source: LayerSource): Promise<LayerJobResult> {
    while (this.#running >= this.#limit) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    }
    this.#running++;
    const worker = this.#take();
    let healthy = false;
    try {
      const result = await runJob(worker, request, source);
      healthy = true;
      return result;
    } finally {
      this.#running--;
      if (healthy) this.#giveBack(worker);
      // Its messages still under way would confuse the next job.
      else worker.terminate();
      this.#waiting.shift()?.();
    }
  }

  #take(): Worker {
    const free = this.#idle.pop();
    if (free === undefined) return new Worker(workerUrl('snapshots/apply/layer-worker.ts'));
    clearTimeout(free.timer);
    return free.worker;
  }

  #giveBack(worker: Worker): void {
    worker.onmessage = null;
    worker.onerror = null;
    const entry = {
      worker,
      timer: setTimeout(() => {
        this.#idle.splice(this.#idle.indexOf(entry), 1);
        worker.terminate();
      }, IDLE),
    };
    entry.timer.unref();
    this.#idle.push(entry);
    worker.unref();
  }

  close(): void {
    for (const { worker, timer } of this.#idle.splice(0)) {
      clearTimeout(timer);
      worker.terminate();
    }
  }
}

async function runJob(
  worker: Worker,
  request: LayerJobRequest,
  source: LayerSource,
): Promise<LayerJobResult> {
  worker.ref();
  const ended = Promise.withResolvers<LayerJobResult | undefined>();
  // A failure may come while the source is being read; the race below sees it.
  ended.promise.catch(() => {});
  const packed = source instanceof ReadableStream || 'members' in source ? undefined : source;
  const buffers = new BufferRing(MESSAGE);
  let outstanding = 0;
  // By a result or an error: what a packed stream has behind its tar, nobody takes any more.
  let over = false;
  let wake: () => void = () => {};
  worker.onmessage = (event: MessageEvent<FromWorker>): void => {
    const message = event.data;
    if ('taken' in message) {
      outstanding--;
      buffers.giveBack(message.taken);
    } else if ('read' in message) packed?.report?.(message.read);
    else {
      over = true;
      if ('result' in message) ended.resolve(message.result);
      else if ('aborted' in message) ended.resolve(undefined);
      else ended.reject(new TareError(message.error.kind, message.error.message));
    }
    wake();
  };
  worker.onerror = (event: ErrorEvent): void => {
    over = true;
    ended.reject(new Error(`the extraction thread failed: ${event.message}`));
    wake();
  };
  const send = (message: ToWorker): void => worker.postMessage(message);
  const file = typeof packed?.packed === 'string' ? packed.packed : undefined;
  send({
    begin: request,
    ...(file === undefined ? {} : { file }),
    ...(packed === undefined ? {} : { limit: packed.limit }),
  });
  if (file !== undefined) return resultOf(await ended.promise);
  /** Waits until one more message may go; false when the job is over. */
  const room = async (): Promise<boolean> => {
    while (outstanding >= WINDOW && !over) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    if (!over) outstanding++;
    return !over;
  };
  try {
    if (!(source instanceof ReadableStream) && 'members' in source) {
      for await (const members of source.members) {
        if (!(await room())) break;
        const packed = packMembers(members);
        worker.postMessage({ members: packed } satisfies ToWorker, [packed.headers.buffer]);
      }
    } else {
      for await (const chunk of piecesOf(streamFrom(source), MESSAGE, () => buffers.take())) {
        if (!(await room())) break;
        worker.postMessage({ chunk } satisfies ToWorker, [chunk.buffer]);
      }
    }
  } catch (error) {
    send({ abort: true });
    await ended.promise.catch(() => {});
    throw error;
  }
  if (!over) send({ end: true });
  try {
    return resultOf(await ended.promise);
  } finally {
    buffers.clear();
  }
}

/** The stream of a source that is no file. */
function streamFrom(source: LayerSource): ReadableStream<Uint8Array> {
  if (source instanceof ReadableStream) return source;
  if ('members' in source) throw new TareError('internal', 'members are no stream');
  if (typeof source.packed !== 'string') return source.packed;
  throw new TareError('internal', 'a file is read by the Worker');
}

function resultOf(result: LayerJobResult | undefined): LayerJobResult {
  if (result === undefined) throw new TareError('cancelled', 'the layer was aborted');
  return result;
}
