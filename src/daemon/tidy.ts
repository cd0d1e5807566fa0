/** How long nothing may have happened before memory is given back. Milliseconds. */
const QUIET = 3_000;

/**
 * Gives memory back once after each spell of work: the engine's collector waits for more garbage, and a daemon
 * at rest has none to come. `touch` says that something happened. Costs nothing while there is work.
 */
export class Tidy {
  #timer: Timer | undefined;
  #last = 0;

  touch(): void {
    this.#last = Date.now();
    this.#timer ??= setTimeout(() => this.#look(), QUIET);
  }

  #look(): void {
    this.#timer = undefined;
    const left = this.#last + QUIET - Date.now();
    if (left > 0) this.#timer = setTimeout(() => this.#look(), left);
    else Bun.gc(true);
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}
