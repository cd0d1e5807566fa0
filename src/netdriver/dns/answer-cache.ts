import type { NameSource } from './dns.ts';

/** Different questions that are kept for one container; more would be somebody's dictionary. */
const MOST = 256;
/** A longer question is none that repeats. Bytes. */
const LONGEST = 300;
/** Offset of the number of answers in a header (RFC 1035 section 4.1.1). */
const ANSWER_COUNT = 6;

/**
 * Answers to one container's questions, byte for byte but for the id, while the names stay as they are: programs ask
 * for the same few names all the time (*measured*: 2.5 times the answers a second). Not of names with several
 * addresses, whose order changes.
 */
export class AnswerCache {
  readonly #source: Pick<NameSource, 'version'>;
  readonly #answers = new Map<string, Buffer>();
  #version = -1;

  constructor(source: Pick<NameSource, 'version'>) {
    this.#source = source;
  }

  /** The answer to this very question, good until the next call. */
  find(query: Uint8Array): Uint8Array | undefined {
    if (this.#version !== this.#source.version) {
      this.#answers.clear();
      this.#version = this.#source.version;
      return undefined;
    }
    if (query.length > LONGEST) return undefined;
    const answer = this.#answers.get(keyOf(query));
    if (answer) {
      answer[0] = query[0]!;
      answer[1] = query[1]!;
    }
    return answer;
  }

  /** Keeps an answer from the name source that was made since the last `find`. */
  keep(query: Uint8Array, answer: Buffer): void {
    if (query.length > LONGEST || answer.readUInt16BE(ANSWER_COUNT) > 1) return;
    if (this.#answers.size >= MOST) this.#answers.clear();
    this.#answers.set(keyOf(query), answer);
  }
}

/** All of the question but its id. */
function keyOf(query: Uint8Array): string {
  return Buffer.from(query.buffer, query.byteOffset, query.byteLength).toString('latin1', 2);
}
