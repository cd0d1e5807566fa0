/** The keys that leave a container running, unless others were chosen. */
const DEFAULT_KEYS = [16, 17];

/**
 * Reads `ctrl-p,ctrl-q` or `a,ctrl-x` as bytes.
 * @throws Error in docker's words.
 */
export function parseDetachKeys(text: string): number[] {
  if (text === '') return DEFAULT_KEYS;
  return text.split(',').map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key.trim())?.[1];
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) - 64;
    if (key.length === 1 && key.charCodeAt(0) < 128) return key.charCodeAt(0);
    throw new Error(`invalid detach keys (${text}): unknown character: '${key}'`);
  });
}

/** Looks for the detach keys in what a person types; keys that only begin the sequence are held back. */
export class DetachFilter {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** Returns what goes on to the container, and whether the sequence is complete. */
  push(typed: Uint8Array): { bytes: Uint8Array; detached: boolean } {
    const output: number[] = [];
    for (const byte of typed) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched++;
        if (this.#matched === this.#keys.length) return { bytes: Uint8Array.from(output), detached: true };
        continue;
      }
      output.push(...this.#keys.slice(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) output.push(byte);
    }
    return { bytes: Uint8Array.from(output), detached: false };
  }
}
