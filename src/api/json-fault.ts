/** The first thing that is wrong with a text that is no JSON, in the words of Go's decoder (which Docker answers with). */
export function jsonFault(text: string): string {
  const scanner = new Scanner(text);
  try {
    scanner.value();
  } catch (fault) {
    if (fault instanceof Fault) return `invalid JSON: ${fault.message}`;
    throw fault;
  }
  // As dockerd: the first value is taken, what follows it is named.
  return scanner.atEnd() ? 'invalid JSON' : 'unexpected content after JSON';
}

class Fault extends Error {}

const ESCAPES = new Set(['"', '\\', '/', 'b', 'f', 'n', 'r', 't']);
/** Deeper values are not looked into. */
const MAX_DEPTH = 1000;

class Scanner {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  atEnd(): boolean {
    this.#space();
    return this.#at >= this.#text.length;
  }

  value(): void {
    this.#space();
    const first = this.#peek();
    if (first === '{') this.#nested('}', () => this.#member());
    else if (first === '[') this.#nested(']', () => this.#element());
    else if (first === '"') this.#string();
    else if (first === '-' || isDigit(first)) this.#number();
    else if (first === 't') this.#literal('true');
    else if (first === 'f') this.#literal('false');
    else if (first === 'n') this.#literal('null');
    else throw this.#invalid('looking for beginning of value');
  }

  /** `one` reads a member or element and what separates it; false: the last. */
  #nested(close: string, one: () => boolean): void {
    this.#depth += 1;
    if (this.#depth > MAX_DEPTH) throw new Fault('exceeded max depth');
    this.#at += 1;
    this.#space();
    if (this.#peek() === close) this.#at += 1;
    else while (one());
    this.#depth -= 1;
  }

  #member(): boolean {
    this.#space();
    if (this.#peek() !== '"') throw this.#invalid('looking for beginning of object key string');
    this.#string();
    this.#space();
    if (this.#peek() !== ':') throw this.#invalid('after object key');
    this.#at += 1;
    this.value();
    return this.#separator('}', 'after object key:value pair');
  }

  #element(): boolean {
    this.value();
    return this.#separator(']', 'after array element');
  }

  #separator(close: string, where: string): boolean {
    this.#space();
    const next = this.#peek();
    if (next !== ',' && next !== close) throw this.#invalid(where);
    this.#at += 1;
    return next === ',';
  }

  #string(): void {
    this.#at += 1;
    for (;;) {
      const next = this.#peek();
      if (next < ' ') throw this.#invalid('in string literal');
      this.#at += 1;
      if (next === '"') return;
      if (next === '\\') this.#escape();
    }
  }

  #escape(): void {
    const kind = this.#peek();
    if (kind !== 'u' && !ESCAPES.has(kind)) throw this.#invalid('in string escape code');
    this.#at += 1;
    if (kind !== 'u') return;
    for (let i = 0; i < 4; i++) {
      if (!/[0-9a-fA-F]/.test(this.#peek())) throw this.#invalid('in \\u hexadecimal character escape');
      this.#at += 1;
    }
  }

  #number(): void {
    if (this.#peek() === '-') this.#at += 1;
    if (this.#peek() === '0') this.#at += 1;
    else this.#digits('in numeric literal');
    if (this.#text[this.#at] === '.') {
      this.#at += 1;
      this.#digits('after decimal point in numeric literal');
    }
    if (/[eE]/.test(this.#text[this.#at] ?? '')) {
      this.#at += 1;
      if (/[+-]/.test(this.#peek())) this.#at += 1;
      this.#digits('in exponent of numeric literal');
    }
  }

  #digits(where: string): void {
    if (!isDigit(this.#peek())) throw this.#invalid(where);
    while (isDigit(this.#text[this.#at] ?? '')) this.#at += 1;
  }

  #literal(word: string): void {
    for (const letter of word) {
      if (this.#peek() !== letter) throw this.#invalid(`in literal ${word} (expecting '${letter}')`);
      this.#at += 1;
    }
  }

  #space(): void {
    while (/[ \t\r\n]/.test(this.#text[this.#at] ?? '')) this.#at += 1;
  }

  #peek(): string {
    const next = this.#text[this.#at];
    if (next === undefined) throw new Fault('unexpected EOF');
    return next;
  }

  #invalid(where: string): Fault {
    const character = String.fromCodePoint(this.#text.codePointAt(this.#at) ?? 0);
    const quoted =
      character === "'" ? "\\'" : character === '"' ? '"' : JSON.stringify(character).slice(1, -1);
    return new Fault(`invalid character '${quoted}' ${where}`);
  }
}

function isDigit(character: string): boolean {
  return character >= '0' && character <= '9';
}
