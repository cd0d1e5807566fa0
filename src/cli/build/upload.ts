import type { Console } from '../console.ts';
import { humanSize } from '../format/size.ts';

/** Milliseconds between two lines on a terminal. */
const PAUSE = 100;

export interface UploadOptions {
  readonly body: AsyncIterable<Uint8Array>;
  readonly console: Console;
  /** Rewrite the line while bytes go out; else it is printed at the end. */
  readonly terminal: boolean;
}

/** A context on its way to the daemon: says how much was sent, and keeps what went wrong while it was read. */
export class Upload implements AsyncIterable<Uint8Array> {
  readonly #options: UploadOptions;
  /** Why reading the context failed: the daemon only sees the connection end. */
  failure: Error | undefined;

  constructor(options: UploadOptions) {
    this.#options = options;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    const { body, console, terminal } = this.#options;
    let bytes = 0;
    let told = 0;
    const line = (): string =>
      `Sending build context to Tare daemon ${humanSize(bytes).padStart(8)}${terminal ? '\r' : ''}`;
    try {
      for await (const piece of body) {
        bytes += piece.length;
        if (terminal && performance.now() - told > PAUSE) {
          told = performance.now();
          console.out(line());
        }
        yield piece;
      }
    } catch (error) {
      this.failure = error as Error;
      throw error;
    }
    console.out(`${line()}\n`);
  }
}
