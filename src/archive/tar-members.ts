import type { TarEntry } from './tar-entry.ts';
import { TarParser, type TarSink } from './tar-parser.ts';

/** A member of an archive that is being read. */
export interface TarMemberStream {
  readonly entry: TarEntry;
  /** Its stored bytes; what is not read is skipped. Only valid until the next member is asked for. */
  readonly body: AsyncIterable<Uint8Array>;
}

type TarEvent = { readonly entry: TarEntry } | { readonly data: Uint8Array } | { readonly end: true };

/** Collects what the parser says of one chunk; views of the chunk stay valid until the next is pushed. */
class EventQueue implements TarSink {
  events: TarEvent[] = [];
  raw(): void {}
  entry(entry: TarEntry): void {
    this.events.push({ entry });
  }
  data(data: Uint8Array): void {
    this.events.push({ data });
  }
  endEntry(): void {
    this.events.push({ end: true });
  }
}

async function* tarEvents(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarEvent> {
  const queue = new EventQueue();
  const parser = new TarParser(queue);
  for await (const chunk of source) {
    parser.push(chunk);
    yield* queue.events;
    queue.events = [];
  }
  parser.end();
}

/**
 * The members of a plain tar, one after another, while it streams by. Throws `corrupt` for a damaged or
 * truncated archive. Leaving the loop early cancels the source.
 */
export async function* readTarMembers(source: AsyncIterable<Uint8Array>): AsyncGenerator<TarMemberStream> {
  const events = tarEvents(source);
  let current: Body | undefined;
  try {
    for (;;) {
      if (current !== undefined) await current.skip();
      const next = await events.next();
      if (next.done) return;
      if (!('entry' in next.value)) continue;
      current = new Body(events);
      yield { entry: next.value.entry, body: current };
    }
  } finally {
    await events.return(undefined);
  }
}

/** One member's bytes. Leaving a loop over it early does not end the archive. */
class Body implements AsyncIterable<Uint8Array>, AsyncIterator<Uint8Array> {
  readonly #events: AsyncGenerator<TarEvent>;
  #done = false;
  /** A reader that was cancelled may still be waiting: the next one comes after it. */
  #turn: Promise<IteratorResult<Uint8Array>> | undefined;

  constructor(events: AsyncGenerator<TarEvent>) {
    this.#events = events;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    return this;
  }

  next(): Promise<IteratorResult<Uint8Array>> {
    const turn = this.#turn === undefined ? this.#step() : this.#turn.then(() => this.#step());
    this.#turn = turn;
    const over = (): void => {
      if (this.#turn === turn) this.#turn = undefined;
    };
    turn.then(over, over);
    return turn;
  }

  async #step(): Promise<IteratorResult<Uint8Array>> {
    if (this.#done) return { done: true, value: undefined };
    const next = await this.#events.next();
    if (!next.done && 'data' in next.value) return { done: false, value: next.value.data };
    this.#done = true;
    return { done: true, value: undefined };
  }

  async skip(): Promise<void> {
    while (!(await this.next()).done) {
      // Only the position matters.
    }
  }
}
