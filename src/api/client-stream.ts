import type { Readable, Writable } from 'node:stream';

/**
 * A client's end of a raw two-way stream (attach, exec): a hijacked connection, or a WebSocket. Both directions
 * end on their own.
 */
export interface ClientStream {
  /**
   * Begins to read. The next chunk is read only after `onChunk`'s promise has resolved. `onEnd` is called once
   * when the client has nothing more to say; it may still listen.
   */
  read(onChunk: (chunk: Uint8Array) => Promise<void> | undefined, onEnd: () => void): void;
  /** False: the client does not keep up; wait for `onDrain`. */
  write(chunk: Uint8Array): boolean;
  onDrain(listener: () => void): void;
  /** The connection is gone; nothing can be written any more. */
  onClose(listener: () => void): void;
  /** Ends our direction after what was written. */
  end(): void;
  /** Drops the connection. */
  destroy(): void;
}

/** A ClientStream over Node's streams; for a hijacked socket both are the same. */
export class NodeClientStream implements ClientStream {
  readonly #input: Readable;
  readonly #output: Writable;

  constructor(input: Readable, output: Writable) {
    this.#input = input;
    this.#output = output;
    // A reset by the peer is followed by close, which is what matters.
    input.on('error', () => {});
    output.on('error', () => {});
  }

  read(onChunk: (chunk: Uint8Array) => Promise<void> | undefined, onEnd: () => void): void {
    const input = this.#input;
    input.on('data', (chunk: Uint8Array) => {
      const taken = onChunk(chunk);
      if (taken === undefined) return;
      input.pause();
      void taken.finally(() => input.resume());
    });
    // A client may end its side while its request is still being handled; that `end` has no second time.
    if (input.readableEnded) {
      queueMicrotask(onEnd);
      return;
    }
    input.once('end', onEnd);
    input.resume();
  }

  write(chunk: Uint8Array): boolean {
    return this.#output.write(chunk);
  }

  onDrain(listener: () => void): void {
    this.#output.on('drain', listener);
  }

  onClose(listener: () => void): void {
    this.#output.once('close', listener);
  }

  end(): void {
    this.#output.end();
  }

  destroy(): void {
    this.#output.destroy();
  }
}
