/** Runs functions one after another per key; different keys run side by side. */
export class KeyedMutex {
  readonly #tails = new Map<string, Promise<void>>();

  /** Runs `body` after every earlier body of the same key has ended, and returns what it returns. */
  async run<T>(key: string, body: () => Promise<T>): Promise<T> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#tails.set(key, promise);
    await before;
    try {
      return await body();
    } finally {
      if (this.#tails.get(key) === promise) this.#tails.delete(key);
      resolve();
    }
  }
}
