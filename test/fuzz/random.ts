/** A generator of numbers with a seed, so that a failure can be repeated (mulberry32). */
export class Random {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 to 1, without 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), this.#state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number from 0 to `limit`, without `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }
}

/** Bytes with a few of them changed, some cut off, doubled or put in. */
export function mutated(random: Random, bytes: Uint8Array): Buffer {
  let result = Buffer.from(bytes);
  for (let i = 1 + random.below(4); i > 0; i--) {
    const at = random.below(result.byteLength + 1);
    const length = random.below(random.chance(0.7) ? 8 : 600);
    const [head, part, tail] = [
      result.subarray(0, at),
      result.subarray(at, at + length),
      result.subarray(at + length),
    ];
    switch (random.below(6)) {
      case 0:
        result = Buffer.concat([head, tail]);
        break;
      case 1:
        result = Buffer.concat([head, part, part, tail]);
        break;
      case 2:
        result = Buffer.concat([head, Buffer.alloc(length, random.pick([0, 0x20, 0x37, 0x80, 0xff])), tail]);
        break;
      case 3:
        result = Buffer.from(head);
        break;
      default:
        for (let j = 0; j < part.byteLength; j++) if (random.chance(0.4)) part[j] = random.below(256);
    }
  }
  return result;
}
