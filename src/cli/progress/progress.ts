import type { ProgressDetail, ProgressMessage } from '../../wire/errors.ts';
import type { Console } from '../console.ts';
import { CommandFailure } from '../failure.ts';
import { humanSize } from '../format/size.ts';

const BAR = 50;

/** `[=====>     ]  1.2MB/3MB`, as wide as the terminal allows. */
export function progressBar(detail: ProgressDetail, width: number): string {
  const current = detail.current ?? 0;
  const total = detail.total ?? 0;
  if (current <= 0 && total <= 0) return '';
  const done = humanSize(current, 4);
  if (total <= 0) return done.padStart(8);
  const filled = Math.min(BAR, Math.trunc((current / total) * BAR));
  const bar = width > 110 ? `[${'='.repeat(filled)}>${' '.repeat(BAR - filled)}] ` : '';
  if (width <= 50) return bar;
  return `${bar}${done.padStart(8)}${current > total ? '' : `/${humanSize(total, 4)}`}`;
}

/** Draws one line an id and rewrites it in place. */
class Lines {
  readonly #console: Console;
  readonly #width: number;
  readonly #rows = new Map<string, number>();
  #count = 0;

  constructor(console: Console, width: number) {
    this.#console = console;
    this.#width = width;
  }

  show(id: string, text: string): void {
    let row = this.#rows.get(id);
    if (row === undefined) {
      row = this.#count++;
      this.#rows.set(id, row);
      this.#console.out('\n');
    }
    const up = this.#count - row;
    const line = text.slice(0, Math.max(20, this.#width - 1));
    this.#console.out(`\x1b[${up}A\x1b[2K\r${line}\r\x1b[${up}B`);
  }

  /** A line without an id ends the block above it. */
  end(): void {
    this.#rows.clear();
    this.#count = 0;
  }
}

/** The failure that a message tells of, with the daemon's words. */
export function failureOf(message: ProgressMessage): CommandFailure | undefined {
  const text = message.errorDetail?.message ?? message.error;
  if (text === undefined || text === '') return undefined;
  return new CommandFailure(text);
}

/**
 * Shows the messages of a long operation: on a terminal a line per layer with a bar, elsewhere one line a change.
 * @param onAux gets the machine-readable extras
 * @throws CommandFailure with the daemon's words when the operation failed.
 */
export async function showProgress(
  messages: AsyncIterable<ProgressMessage>,
  console: Console,
  terminal: boolean,
  onAux: (aux: unknown) => void = () => {},
): Promise<void> {
  const width = terminal ? process.stdout.columns || process.stderr.columns || 80 : 0;
  const lines = new Lines(console, width);
  for await (const message of messages) {
    const failure = failureOf(message);
    if (failure !== undefined) throw failure;
    if (message.aux !== undefined) {
      onAux(message.aux);
      continue;
    }
    if (message.stream !== undefined && message.stream !== '') {
      lines.end();
      console.out(message.stream);
      continue;
    }
    const status = message.status ?? '';
    const detail = message.progressDetail ?? {};
    const moving = (detail.current ?? 0) > 0 || (detail.total ?? 0) > 0;
    const bar = moving ? progressBar(detail, width) : (message.progress ?? '');
    const prefix = message.id ? `${message.id}: ` : '';
    if (terminal && message.id) lines.show(message.id, `${prefix}${status} ${bar}`.trimEnd());
    else if (terminal || !moving) {
      if (terminal) lines.end();
      console.out(`${prefix}${status}\n`);
    }
  }
}
