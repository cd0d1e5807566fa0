import { TareError } from '../base/errors.ts';

/** ctrl-p, ctrl-q. */
export const DEFAULT_DETACH_KEYS: readonly number[] = [16, 17];

const CONTROL_NAMES = '@abcdefghijklmnopqrstuvwxyz[\\]^_';

/**
 * Bytes of a key sequence as users write it: `ctrl-p,ctrl-q`, `a,b`, `ctrl-@`.
 * Throws `invalid`; `complain` makes the sentence of the given sequence (attach and exec have different ones).
 */
export function parseDetachKeys(
  keys: string,
  complain: (keys: string) => string = (bad) => `Invalid detach keys (${bad}) provided`,
): readonly number[] {
  if (keys === '') return DEFAULT_DETACH_KEYS;
  return keys.split(',').map((key) => {
    const control = key.startsWith('ctrl-') && key.length === 6 ? CONTROL_NAMES.indexOf(key.charAt(5)) : -1;
    if (control >= 0) return control;
    const code = key.charCodeAt(0);
    if (key.length !== 1 || code > 0x7f) throw new TareError('invalid', complain(keys));
    return code;
  });
}

/**
 * Watches input for the detach sequence. Bytes that may begin it are held back until it is clear that they do
 * not; a whole match ends the input.
 */
export class DetachFilter {
  readonly #keys: readonly number[];
  #matched = 0;
  #detached = false;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  get detached(): boolean {
    return this.#detached;
  }

  /** What of the input so far goes on to the process. */
  push(chunk: Uint8Array): Uint8Array {
    if (this.#detached) return new Uint8Array(0);
    const first = this.#keys[0];
    // Nothing held back and nothing that could begin a match: the usual case copies nothing.
    if (this.#matched === 0 && (first === undefined || !chunk.includes(first))) return chunk;
    const out: number[] = [];
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        this.#matched += 1;
        if (this.#matched === this.#keys.length) {
          this.#detached = true;
          break;
        }
        continue;
      }
      this.#mismatch(byte, out);
    }
    return Uint8Array.from(out);
  }

  /** The longest tail of what was held back that still begins the sequence stays held back. */
  #mismatch(byte: number, out: number[]): void {
    const held = [...this.#keys.slice(0, this.#matched), byte];
    let keep = held.length - 1;
    while (keep > 0 && !this.#begins(held.slice(held.length - keep))) keep -= 1;
    out.push(...held.slice(0, held.length - keep));
    this.#matched = keep;
  }

  #begins(bytes: readonly number[]): boolean {
    return bytes.every((value, index) => value === this.#keys[index]);
  }
}
