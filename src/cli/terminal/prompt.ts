import type { Console } from '../console.ts';
import { stdinIsTerminal } from './terminal.ts';

const FATAL = [
  ['SIGINT', 130],
  ['SIGHUP', 129],
  ['SIGTERM', 143],
] as const;

/** Asks for lines on a terminal. Close it, so that the program need not wait for more of stdin. */
export class Prompter {
  readonly #console: Console;
  readonly #decoder = new TextDecoder();
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #rest = '';

  constructor(console: Console) {
    this.#console = console;
  }

  /** The line that is typed, without its end; empty at the end of the input. */
  async line(question: string): Promise<string> {
    this.#console.out(question);
    return await this.#readLine();
  }

  /** Like line, without showing what is typed. */
  async secret(question: string): Promise<string> {
    const restore = hideInput(this.#console);
    try {
      this.#console.out(question);
      return await this.#readLine();
    } finally {
      restore();
      this.#console.out('\n');
    }
  }

  async close(): Promise<void> {
    await this.#reader?.cancel();
  }

  async #readLine(): Promise<string> {
    this.#reader ??= Bun.stdin.stream().getReader() as ReadableStreamDefaultReader<Uint8Array>;
    while (!this.#rest.includes('\n')) {
      const { done, value } = await this.#reader.read();
      if (done) break;
      this.#rest += this.#decoder.decode(value, { stream: true });
    }
    const end = this.#rest.indexOf('\n');
    const line = end < 0 ? this.#rest : this.#rest.slice(0, end);
    this.#rest = end < 0 ? '' : this.#rest.slice(end + 1);
    return line.replace(/\r$/, '');
  }
}

/** Switches the terminal's echo off and returns what puts it back; a signal does so, too, before it ends us. */
function hideInput(console: Console): () => void {
  if (!stdinIsTerminal()) return () => {};
  const saved = stty('-g');
  // The kernel goes on to edit the line: backspace and ^U work as ever.
  stty('-echo');
  const handlers = FATAL.map(([name, code]) => {
    const handler = () => {
      restore();
      console.out('\n');
      process.exit(code);
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  const restore = () => {
    stty(saved);
    for (const [name, handler] of handlers) process.off(name, handler);
  };
  return restore;
}

function stty(argument: string): string {
  const result = Bun.spawnSync(['stty', argument], { stdin: 'inherit', stdout: 'pipe', stderr: 'ignore' });
  return result.stdout.toString().trim();
}
