import type { Console } from '../console.ts';

/** Milliseconds between two drawings while much happens. */
const PAUSE = 50;

/** Lines that stay, and below them lines that are drawn again and again; also when the terminal changes its size. */
export class Screen {
  readonly #console: Console;
  /** Widths of the lines that were drawn and are to be drawn over. */
  #drawn: number[] = [];
  #when = 0;

  constructor(console: Console) {
    this.#console = console;
  }

  /** Columns that a line may take: one that fills the last would be followed by an empty line on some terminals. */
  get width(): number {
    return Math.max(20, (process.stdout.columns || 80) - 1);
  }

  /** Lines that may be drawn again: what has scrolled away cannot be. */
  get rows(): number {
    return Math.max(5, (process.stdout.rows || 24) - 1);
  }

  get isDue(): boolean {
    return performance.now() - this.#when > PAUSE;
  }

  draw(final: readonly string[], live: readonly string[]): void {
    this.#when = performance.now();
    if (this.#drawn.length === 0 && final.length === 0 && live.length === 0) return;
    // A line that has become too long for a narrower terminal takes several.
    const columns = process.stdout.columns || 80;
    const height = this.#drawn.reduce((sum, width) => sum + Math.max(1, Math.ceil(width / columns)), 0);
    const up = Math.min(height, this.rows);
    const back = up === 0 ? '' : `\x1b[${up}A\r\x1b[J`;
    this.#console.out(back + [...final, ...live].map((line) => `${line}\n`).join(''));
    this.#drawn = live.map((line) => Bun.stringWidth(line));
  }
}
