/** What shows how far a context is. */
export interface UploadView {
  /** Bytes that went out so far. */
  sent(bytes: number): void;
  /** All of it went out. */
  ready(): void;
}

/** A context on its way to the daemon as a tar: tells how much was sent, and keeps what went wrong while it was read. */
export class Upload implements AsyncIterable<Uint8Array> {
  readonly #body: AsyncIterable<Uint8Array>;
  readonly #view: UploadView;
  /** Why reading the context failed: the daemon only sees the connection end. */
  failure: Error | undefined;

  constructor(body: AsyncIterable<Uint8Array>, view: UploadView) {
    this.#body = body;
    this.#view = view;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    let bytes = 0;
    try {
      for await (const piece of this.#body) {
        bytes += piece.length;
        this.#view.sent(bytes);
        yield piece;
      }
    } catch (error) {
      this.failure = error as Error;
      throw error;
    }
    this.#view.sent(bytes);
    this.#view.ready();
  }
}
