import { isKind } from '../../base/errors.ts';

/**
 * Leases protect what is being made from being collected as garbage.
 *
 * Whoever makes an image (a pull, a load, a build) or reads one for long (a push) works under a lease and holds by it
 * each layer and blob that it stores or relies on, by diff id or digest, until the row is there that names them. The
 * collector leaves alone what is held and nothing else: so `prune` frees space while a long pull goes on.
 *
 * Example: `await leases.hold(async (lease) => { lease.hold(diffId); …store it…; index.add(image); })`. What
 * `leasedContent` and `leasedLayers` give out is held without a call.
 *
 * Leases live in memory: after a crash nobody is making anything, and the sweep at start takes what was half-made. But
 * what a *resumable* operation (a pull) has stored is noted in rows, and kept for a day for the next try: until that
 * succeeds, or somebody prunes.
 */
export class Lease {
  readonly #stored: (digest: string) => void;
  readonly #held = new Set<string>();
  /** Layers that are being stored and whose diff ids nobody knows yet: it may be any. */
  #unknown = 0;
  /** A collection wanted something of it. */
  #wanted = false;

  /** `stored` hears of each layer and blob that was stored under it. */
  constructor(stored: (digest: string) => void = () => {}) {
    this.#stored = stored;
  }

  /** Something is durable now that has no row yet. */
  stored(digest: string): void {
    this.hold(digest);
    this.#stored(digest);
  }

  /** Holds layers (by diff id) and blobs (by digest) until the lease ends; they need not be there yet. */
  hold(...digests: readonly string[]): void {
    for (const digest of digests) this.#held.add(digest);
  }

  /** While `body` stores a layer of which no diff id is known: one that is garbage now may be the same. */
  async whileUnknown<T>(body: () => Promise<T>): Promise<T> {
    this.#unknown += 1;
    try {
      return await body();
    } finally {
      this.#unknown -= 1;
    }
  }

  /** Asked by a collection: what is refused now is collected when the lease ends. */
  refuses(digest: string): boolean {
    if (!this.#held.has(digest)) return false;
    this.#wanted = true;
    return true;
  }

  refusesLayer(diffId: string): boolean {
    if (this.#unknown > 0) this.#wanted = true;
    return this.refuses(diffId) || this.#unknown > 0;
  }

  /** Whether it holds something; for who only looks. */
  has(digest: string): boolean {
    return this.#held.has(digest);
  }

  get held(): ReadonlySet<string> {
    return this.#held;
  }

  /** True when its end may leave garbage: something was wanted meanwhile, or (`failed`) never got its row. */
  leavesGarbage(failed: boolean): boolean {
    return this.#wanted || (failed && this.#held.size > 0);
  }
}

/** Where it is noted what unfinished operations have stored; store's UnfinishedTable, or a fake. */
export interface UnfinishedRows {
  add(digest: string, storedAt: number): void;
  remove(digests: Iterable<string>): void;
  expire(before: number): void;
  all(): string[];
}

/** How long what an unfinished operation has stored is kept, in milliseconds. */
const RESUMABLE = 24 * 3600 * 1000;

/** All leases of a daemon. */
export class Leases {
  readonly #open = new Set<Lease>();
  readonly #rows: UnfinishedRows;
  /** What unfinished operations left for the next try. */
  readonly #kept: Set<string>;
  readonly #collect: () => Promise<void>;

  /** `collect` runs when a lease has ended that may leave garbage. It must not throw. */
  constructor(rows: UnfinishedRows, collect: () => Promise<void>) {
    this.#collect = collect;
    this.#rows = rows;
    rows.expire(Date.now() - RESUMABLE);
    this.#kept = new Set(rows.all());
  }

  /**
   * Runs `body` under a lease of its own. What it stored is collected when it fails, unless `resumable`: then it is
   * kept for the next try.
   */
  async hold<T>(body: (lease: Lease) => Promise<T>, { resumable = false } = {}): Promise<T> {
    const lease = this.#begin(resumable);
    let failed = true;
    // Without room on the disk, what was brought so far is in the way of others.
    let keeps = resumable;
    try {
      const result = await body(lease);
      failed = false;
      this.#forget(lease.held);
      return result;
    } catch (error) {
      keeps &&= !isKind(error, 'exhausted');
      if (!keeps) this.#forget(lease.held);
      throw error;
    } finally {
      await this.#end(lease, failed && !keeps);
    }
  }

  /** Opens a stream under a lease that lasts until the stream has ended, failed or was cancelled. */
  async holdWhile(
    open: (lease: Lease) => Promise<ReadableStream<Uint8Array>>,
  ): Promise<ReadableStream<Uint8Array>> {
    const lease = this.#begin(false);
    let stream: ReadableStream<Uint8Array>;
    try {
      stream = await open(lease);
    } catch (error) {
      await this.#end(lease, false);
      throw error;
    }
    const reader = stream.getReader();
    return new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          try {
            const { done, value } = await reader.read();
            if (!done) return controller.enqueue(value);
            await this.#end(lease, false);
            controller.close();
          } catch (error) {
            await this.#end(lease, false);
            throw error;
          }
        },
        cancel: async (reason) => {
          await reader.cancel(reason).catch(() => {});
          await this.#end(lease, false);
        },
      },
      { highWaterMark: 0 },
    );
  }

  /** The same for a layer. */
  holdsLayer(diffId: string): boolean {
    if (this.#kept.has(diffId)) return true;
    return [...this.#open].filter((lease) => lease.refusesLayer(diffId)).length > 0;
  }

  /** Whether somebody holds it. */
  isHeld(digest: string): boolean {
    return [...this.#open].some((lease) => lease.has(digest));
  }

  /** Whether something that can be resumed has stored it. */
  isKept(digest: string): boolean {
    return this.#kept.has(digest);
  }

  /** Nothing of these is to be resumed any more, but for what goes on now. */
  forgetUnfinished(which: (digest: string) => boolean = () => true): void {
    this.#forget([...this.#kept].filter((digest) => which(digest) && !this.isHeld(digest)));
  }

  #forget(digests: Iterable<string>): void {
    const known = [...digests].filter((digest) => this.#kept.has(digest));
    if (known.length === 0) return;
    this.#rows.remove(known);
    for (const digest of known) this.#kept.delete(digest);
  }

  #keep(digest: string): void {
    this.#rows.add(digest, Date.now());
    this.#kept.add(digest);
  }

  #begin(resumable: boolean): Lease {
    const lease = new Lease(resumable ? (digest) => this.#keep(digest) : undefined);
    this.#open.add(lease);
    return lease;
  }

  async #end(lease: Lease, failed: boolean): Promise<void> {
    this.#open.delete(lease);
    if (lease.leavesGarbage(failed)) await this.#collect();
  }

  /** Whether somebody holds a blob, or will; for the collector, right before it removes it. */
  holds(digest: string): boolean {
    if (this.#kept.has(digest)) return true;
    // Each is asked, not only the first: all of them must know that it was wanted.
    return [...this.#open].filter((lease) => lease.refuses(digest)).length > 0;
  }
}
