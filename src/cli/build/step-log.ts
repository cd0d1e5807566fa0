import { cleanLine } from './terminal-line.ts';

/** Lines that are kept of a step, to be shown when it fails. */
const KEPT = 100;

/** What a step printed, as lines that move no cursor. */
export class StepLog {
  readonly #decoders = { stdout: new TextDecoder(), stderr: new TextDecoder() };
  readonly #lines: string[] = [];
  /** After the last line break, by stream. */
  readonly #partial = { stdout: '', stderr: '' };

  add(stream: 'stdout' | 'stderr', data: Uint8Array): void {
    const text = this.#partial[stream] + this.#decoders[stream].decode(data, { stream: true });
    const lines = text.split('\n');
    this.#partial[stream] = lines.pop()!;
    this.#lines.push(...lines.map(cleanLine));
    if (this.#lines.length > KEPT) this.#lines.splice(0, this.#lines.length - KEPT);
  }

  /** The last `count` lines. */
  tail(count: number): string[] {
    if (count <= 0) return [];
    const unfinished = [this.#partial.stdout, this.#partial.stderr]
      .map(cleanLine)
      .filter((line) => line !== '');
    return [...this.#lines, ...unfinished].slice(-count);
  }

  all(): string[] {
    return this.tail(KEPT + 2);
  }
}
