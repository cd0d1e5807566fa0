import type { ContextEntry, FileEnd } from '../../archive/context-entry.ts';
import { dataHeader, endFrame } from '../../archive/context-frames.ts';
import type { ContextSync, WantedFile } from '../../engine/builder/context/kept-contexts.ts';
import type { FileSink } from './file-sync.ts';

/** Bytes that are handed on at once. */
const HEAP = 512 << 10;

/**
 * Hands the contents of files to a sync as one stream of frames: small files by the thousand would otherwise be three
 * messages to its Worker each. `finish` after the last of them.
 */
export class FramedFiles implements FileSink {
  readonly #sync: ContextSync;
  #heap: Uint8Array[] = [];
  #length = 0;
  #out: { controller: ReadableStreamDefaultController<Uint8Array>; received: Promise<void> } | undefined;
  #taken: (() => void) | undefined;
  #failure: unknown;

  constructor(sync: ContextSync) {
    this.#sync = sync;
  }

  announce(entries: readonly ContextEntry[]): Promise<void> {
    return this.#sync.announce(entries);
  }

  wanted(): Promise<WantedFile[]> {
    return this.#sync.wanted();
  }

  write(index: number, bytes: Uint8Array): Promise<void> | void {
    return this.#push(dataHeader(index, bytes.length), new Uint8Array(bytes));
  }

  end(index: number, how: FileEnd): Promise<void> | void {
    return this.#push(endFrame(index, how));
  }

  #push(...pieces: Uint8Array[]): Promise<void> | void {
    for (const piece of pieces) {
      this.#heap.push(piece);
      this.#length += piece.length;
    }
    if (this.#length >= HEAP) return this.#handOver();
  }

  async #handOver(): Promise<void> {
    if (this.#failure !== undefined) throw this.#failure;
    this.#out ??= this.#begin();
    const { controller } = this.#out;
    controller.enqueue(Buffer.concat(this.#heap, this.#length));
    this.#heap = [];
    this.#length = 0;
    while ((controller.desiredSize ?? 1) <= 0 && this.#failure === undefined) {
      await new Promise<void>((resolve) => {
        this.#taken = resolve;
      });
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  #begin(): { controller: ReadableStreamDefaultController<Uint8Array>; received: Promise<void> } {
    let controller: ReadableStreamDefaultController<Uint8Array> | undefined;
    const stream = new ReadableStream<Uint8Array>(
      {
        start: (own) => {
          controller = own;
        },
        pull: () => this.#wake(),
      },
      { highWaterMark: 4 },
    );
    const received = this.#sync.receive(stream).catch((error: unknown) => {
      this.#failure = error;
      this.#wake();
    });
    return { controller: controller!, received };
  }

  #wake(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    taken?.();
  }

  /** Resolves when all has been taken. */
  async finish(): Promise<void> {
    if (this.#length > 0) await this.#handOver();
    this.#out?.controller.close();
    await this.#out?.received;
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Nothing more comes. */
  abort(reason: unknown): void {
    this.#failure ??= reason;
    this.#out?.controller.error(reason);
    this.#wake();
  }
}
