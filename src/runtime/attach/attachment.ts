import type { Attachment } from '../runtime.ts';

/** Bytes that one consumer may leave lying before the process is made to wait for it. */
const HIGH_WATER = 1024 * 1024;
const LOW_WATER = 256 * 1024;

export type OutputStream = 'stdout' | 'stderr';

/** What an attachment asks of the connection it is one of several users of. */
export interface AttachmentPort {
  write(chunk: Uint8Array): Promise<void>;
  /** End of stdin, when this process's stdin may be ended by a client. */
  closeInput(wrote: boolean): Promise<void>;
  /** The queue has room again. */
  drained(): void;
  removed(attachment: QueuedAttachment): void;
}

/** One consumer of a process's output, with its bounded queue. */
export class QueuedAttachment implements Attachment {
  readonly ended: Promise<'eof' | 'closed' | 'overrun'>;
  readonly #port: AttachmentPort;
  readonly #resolve: (reason: 'eof' | 'closed' | 'overrun') => void;
  #listener: ((stream: OutputStream, chunk: Uint8Array) => void) | undefined;
  #queue: Array<readonly [OutputStream, Uint8Array]> = [];
  #queued = 0;
  #paused = false;
  #sourceEnded = false;
  #done = false;
  #wrote = false;

  constructor(port: AttachmentPort) {
    this.#port = port;
    const { promise, resolve } = Promise.withResolvers<'eof' | 'closed' | 'overrun'>();
    this.ended = promise;
    this.#resolve = resolve;
  }

  /** True when no more should be pushed for now. */
  get full(): boolean {
    return this.#queued >= HIGH_WATER;
  }

  onOutput(listener: (stream: OutputStream, chunk: Uint8Array) => void): void {
    this.#listener = listener;
    this.#flush();
  }

  /** Takes output over: delivers it or queues it. */
  push(stream: OutputStream, chunk: Uint8Array): void {
    if (this.#done) return;
    if (this.#listener && !this.#paused && this.#queue.length === 0) {
      this.#listener(stream, chunk);
      return;
    }
    this.#queue.push([stream, chunk]);
    this.#queued += chunk.length;
  }

  /** No more output comes. */
  finish(): void {
    this.#sourceEnded = true;
    if (this.#queue.length === 0) this.#end('eof');
  }

  /** Gives the consumer up because it does not take its output. */
  overrun(): void {
    this.#end('overrun');
  }

  #flush(): void {
    const listener = this.#listener;
    if (!listener) return;
    const before = this.#queued;
    let taken = 0;
    while (!this.#paused && !this.#done && taken < this.#queue.length) {
      const [stream, chunk] = this.#queue[taken] as readonly [OutputStream, Uint8Array];
      taken += 1;
      this.#queued -= chunk.length;
      listener(stream, chunk);
    }
    if (taken > 0) this.#queue = this.#queue.slice(taken);
    if (before >= LOW_WATER && this.#queued < LOW_WATER) this.#port.drained();
    if (this.#sourceEnded && this.#queue.length === 0) this.#end('eof');
  }

  #end(reason: 'eof' | 'closed' | 'overrun'): void {
    if (this.#done) return;
    this.#done = true;
    this.#queue = [];
    this.#queued = 0;
    this.#port.removed(this);
    this.#resolve(reason);
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (this.#done || chunk.length === 0) return;
    this.#wrote = true;
    await this.#port.write(chunk);
  }

  async closeInput(): Promise<void> {
    if (this.#done) return;
    await this.#port.closeInput(true);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#flush();
  }

  close(): void {
    if (this.#done) return;
    if (this.#wrote) void this.#port.closeInput(true);
    this.#end('closed');
  }
}
