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
 * Leases live in memory: after a crash nobody is making anything, and the sweep at start takes what was half-made.
 */
export class Lease {
  readonly #held = new Set<string>();
  /** A collection wanted something of it. */
  #wanted = false;

  /** Holds layers (by diff id) and blobs (by digest) until the lease ends; they need not be there yet. */
  hold(...digests: readonly string[]): void {
    for (const digest of digests) this.#held.add(digest);
  }

  /** Asked by a collection: what is refused now is collected when the lease ends. */
  refuses(digest: string): boolean {
    if (!this.#held.has(digest)) return false;
    this.#wanted = true;
    return true;
  }

  /** True when its end may leave garbage: something was wanted meanwhile, or (`failed`) never got its row. */
  leavesGarbage(failed: boolean): boolean {
    return this.#wanted || (failed && this.#held.size > 0);
  }
}

/** All leases of a daemon. */
export class Leases {
  readonly #open = new Set<Lease>();
  readonly #collect: () => Promise<void>;

  /** `collect` runs when a lease has ended that may leave garbage. It must not throw. */
  constructor(collect: () => Promise<void>) {
    this.#collect = collect;
  }

  /**
   * Runs `body` under a lease of its own. What it stored is collected when it fails, unless `resumable`: then the next
   * try goes on with it, as long as nobody collects before.
   */
  async hold<T>(body: (lease: Lease) => Promise<T>, { resumable = false } = {}): Promise<T> {
    const lease = this.#begin();
    let failed = true;
    try {
      const result = await body(lease);
      failed = false;
      return result;
    } finally {
      await this.#end(lease, failed && !resumable);
    }
  }

  /** Opens a stream under a lease that lasts until the stream has ended, failed or was cancelled. */
  async holdWhile(
    open: (lease: Lease) => Promise<ReadableStream<Uint8Array>>,
  ): Promise<ReadableStream<Uint8Array>> {
    const lease = this.#begin();
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

  #begin(): Lease {
    const lease = new Lease();
    this.#open.add(lease);
    return lease;
  }

  async #end(lease: Lease, failed: boolean): Promise<void> {
    this.#open.delete(lease);
    if (lease.leavesGarbage(failed)) await this.#collect();
  }

  /** Whether somebody holds a layer or blob; for the collector, right before it removes it. */
  holds(digest: string): boolean {
    // Each is asked, not only the first: all of them must know that it was wanted.
    return [...this.#open].filter((lease) => lease.refuses(digest)).length > 0;
  }
}
