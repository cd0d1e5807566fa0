import type { ProgressMessage } from '../../wire/errors.ts';
import type { Console } from '../console.ts';
import { failureOf } from '../progress/progress.ts';
import { BuildBoard } from './board.ts';

/** Milliseconds between two looks at the clock. */
const TICK = 200;
/** Milliseconds between two drawings while much is printed. */
const PAUSE = 50;

/**
 * Shows a build on a terminal.
 * @param onAux gets the machine-readable extras
 * @throws CommandFailure with the daemon's words when the build failed.
 */
export async function showBuild(
  messages: AsyncIterable<ProgressMessage>,
  console: Console,
  onAux: (aux: unknown) => void,
): Promise<void> {
  const board = new BuildBoard(() => performance.now());
  const screen = new Screen(console);
  const ticks = setInterval(() => screen.draw([], board.live(screen.width)), TICK);
  try {
    for await (const message of messages) {
      const failure = failureOf(message);
      if (failure !== undefined) throw failure;
      if (message.aux !== undefined) onAux(message.aux);
      else {
        const { width } = screen;
        const final = board.take(message, width);
        if (final.length > 0 || screen.isDue) screen.draw(final, board.live(width));
      }
    }
    screen.draw(board.finish(screen.width), []);
  } catch (error) {
    screen.draw(board.fail(screen.width), []);
    throw error;
  } finally {
    clearInterval(ticks);
  }
}

/** Lines that stay, and below them lines that are drawn again and again. */
class Screen {
  readonly #console: Console;
  #drawn = 0;
  #when = 0;

  constructor(console: Console) {
    this.#console = console;
  }

  /** Columns that a line may take: one that fills the last would be followed by an empty line on some terminals. */
  get width(): number {
    return Math.max(20, (process.stdout.columns || 80) - 1);
  }

  get isDue(): boolean {
    return performance.now() - this.#when > PAUSE;
  }

  draw(final: readonly string[], live: readonly string[]): void {
    this.#when = performance.now();
    if (this.#drawn === 0 && final.length === 0 && live.length === 0) return;
    const back = this.#drawn === 0 ? '' : `\x1b[${this.#drawn}A\r\x1b[J`;
    this.#console.out(back + [...final, ...live].map((line) => `${line}\n`).join(''));
    this.#drawn = live.length;
  }
}
