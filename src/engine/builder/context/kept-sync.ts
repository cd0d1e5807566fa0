import type { ContextEntry, FileEnd } from '../../../archive/context-entry.ts';
import { piecesOf } from '../../../base/streams.ts';
import type { ContextSync, KeptContext, WantedFile } from './kept-contexts.ts';
import type { FinishedTree, KeptHeader, ToKept } from './kept-messages.ts';
import { KeptThread } from './kept-thread.ts';

/** Bytes of one message to the Worker. */
const MESSAGE = 512 * 1024;

export interface KeptSyncParts {
  /** The kept directory's own folder. */
  readonly directory: string;
  /** Where its files are. */
  readonly tree: string;
  readonly key: string;
  readonly boot: string;
  /** Called once, with the bytes that the directory has now. */
  readonly released: (size: number) => void;
}

/** A sync by a Worker, and the lease on its directory. */
export class KeptSync implements ContextSync {
  readonly #parts: KeptSyncParts;
  /** Undefined when all is said: the Worker ends with the sync, not with the build. */
  #thread: KeptThread | undefined = new KeptThread();
  #failure: unknown;
  #size = 0;
  #releasing: Promise<void> | undefined;

  private constructor(parts: KeptSyncParts) {
    this.#parts = parts;
  }

  static async begin(parts: KeptSyncParts): Promise<KeptSync> {
    const sync = new KeptSync(parts);
    try {
      await sync.#call({ do: 'begin', directory: parts.directory, boot: parts.boot });
      return sync;
    } catch (error) {
      sync.#thread?.close();
      throw error;
    }
  }

  #call(message: ToKept, transfer: Bun.Transferable[] = []): ReturnType<KeptThread['call']> {
    if (this.#thread === undefined) throw new Error('the sync of a context is over');
    return this.#thread.call(message, transfer);
  }

  async announce(entries: readonly ContextEntry[]): Promise<void> {
    await this.#soon({ do: 'announce', entries });
  }

  async wanted(): Promise<WantedFile[]> {
    this.#throwFailure();
    const wanted = (await this.#call({ do: 'wanted' })) as WantedFile[];
    this.#throwFailure();
    return wanted;
  }

  async write(index: number, bytes: Uint8Array): Promise<void> {
    // Not `from`, which takes a Buffer byte by byte.
    const piece = new Uint8Array(bytes);
    await this.#soon({ do: 'write', index, piece }, [piece.buffer]);
  }

  async end(index: number, how: FileEnd): Promise<void> {
    await this.#soon({ do: 'end', index, how });
  }

  async receive(frames: ReadableStream<Uint8Array>): Promise<void> {
    for await (const piece of piecesOf(frames, MESSAGE)) {
      await this.#soon({ do: 'frames', piece }, [piece.buffer]);
    }
    this.#throwFailure();
    await this.#call({ do: 'received' });
    this.#throwFailure();
  }

  /** Does not wait for the answer: what fails is thrown by a later call. */
  async #soon(message: ToKept, transfer: Bun.Transferable[] = []): Promise<void> {
    this.#throwFailure();
    this.#call(message, transfer).catch((error: unknown) => {
      this.#failure ??= error;
    });
    await this.#thread?.room();
    this.#throwFailure();
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  async finish(): Promise<KeptContext> {
    this.#throwFailure();
    const { digests, size } = (await this.#call({ do: 'finish' })) as FinishedTree;
    this.#throwFailure();
    this.#size = size;
    await this.#end();
    const known = new Map(digests);
    return {
      path: this.#parts.tree,
      digestOf: (path) =>
        known.get(/^[\x20-\x7e]*$/.test(path) ? path : Buffer.from(path).toString('latin1')),
    };
  }

  /** Writes down what is there, and lets the Worker go. */
  async #end(): Promise<void> {
    const thread = this.#thread;
    if (thread === undefined) return;
    this.#thread = undefined;
    const { key, boot } = this.#parts;
    const header: KeptHeader = { key, boot, usedAt: Date.now(), size: this.#size };
    try {
      await thread.call({ do: 'close', header });
    } finally {
      thread.close();
    }
  }

  release(): Promise<void> {
    this.#releasing ??= this.#release();
    return this.#releasing;
  }

  async #release(): Promise<void> {
    try {
      // A sync that was given up: what has come is whole files, and counts the next time.
      if (this.#thread !== undefined) {
        await this.#call({ do: 'finish' }).catch(() => {});
        await this.#end();
      }
    } catch {
      // Without its index the directory is thrown away.
    } finally {
      this.#parts.released(this.#size);
    }
  }
}
