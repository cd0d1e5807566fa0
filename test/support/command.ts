import { constants } from 'node:os';

/** Runs programs for tests: with input, under a terminal, and never for ever. */

export interface Outcome {
  /** Exit code; 128 + signal for a process that a signal ended. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Uint8Array;
  readonly env?: Record<string, string>;
  readonly cwd?: string;
  /** Milliseconds after which the process is killed and the run throws. A bound against hangs, not a measure. */
  readonly timeout?: number;
}

/** Runs `argv` to its end. Throws only when it does not end in time. */
export async function run(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
  const child = Bun.spawn([...argv], {
    cwd: options.cwd ?? '/',
    env: { ...process.env, ...options.env },
    stdin: options.input === undefined ? 'ignore' : Buffer.from(options.input),
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const timer = deadline(argv, options.timeout, () => child.kill('SIGKILL'));
  try {
    const [stdout, stderr] = await Promise.race([
      Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text(), child.exited]),
      timer.expired,
    ]);
    return { code: exitCode(child), stdout, stderr };
  } finally {
    timer.stop();
  }
}

/** Runs `argv` and throws, with all it said, unless it ends with 0. Gives its output without the last newline. */
export async function must(argv: readonly string[], options: RunOptions = {}): Promise<string> {
  const outcome = await run(argv, options);
  if (outcome.code !== 0) throw new Error(describeFailure(argv, outcome));
  return outcome.stdout.replace(/\n$/, '');
}

export function describeFailure(argv: readonly string[], outcome: Outcome): string {
  return `${argv.join(' ')}\nended with ${outcome.code}\nstdout: ${outcome.stdout}\nstderr: ${outcome.stderr}`;
}

/** A program with its stdin and stdout at the test's hands. */
export interface Running {
  readonly pid: number;
  /** All output up to now, stdout and stderr joined (a terminal joins them anyway). */
  output(): string;
  write(text: string | Uint8Array): void;
  /** End of its stdin. */
  closeInput(): void;
  /** Waits until the output holds `text` (behind `from`, an offset). Throws when it ends or time passes. */
  waitFor(text: string | RegExp, options?: { from?: number; timeout?: number }): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  exited(timeout?: number): Promise<number>;
}

export interface Terminal extends Running {
  resize(columns: number, rows: number): void;
}

/** Starts `argv` with pipes. */
export function start(argv: readonly string[], options: RunOptions = {}): Running {
  const child = Bun.spawn([...argv], {
    cwd: options.cwd ?? '/',
    env: { ...process.env, ...options.env },
    stdin: 'pipe',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const heard = new Heard();
  const drained = Promise.all([heard.follow(child.stdout), heard.follow(child.stderr)]);
  return {
    pid: child.pid,
    output: () => heard.text,
    write: (text) => {
      child.stdin.write(text);
      child.stdin.flush();
    },
    closeInput: () => void child.stdin.end(),
    waitFor: (text, wait) => heard.waitFor(text, () => child.exitCode ?? child.signalCode, argv, wait),
    signal: (signal) => child.kill(signal),
    exited: async (timeout) => {
      const timer = deadline(
        argv,
        timeout,
        () => child.kill('SIGKILL'),
        () => heard.text,
      );
      try {
        await Promise.race([Promise.all([child.exited, drained]), timer.expired]);
        return exitCode(child);
      } finally {
        timer.stop();
      }
    },
  };
}

/** Starts `argv` with a terminal of its own. */
export function startTerminal(
  argv: readonly string[],
  options: RunOptions & { columns?: number; rows?: number } = {},
): Terminal {
  const heard = new Heard();
  const child = Bun.spawn([...argv], {
    cwd: options.cwd ?? '/',
    env: { ...process.env, TERM: 'xterm', ...options.env },
    terminal: { cols: options.columns ?? 80, rows: options.rows ?? 24, data: (_, chunk) => heard.add(chunk) },
  });
  const terminal = child.terminal!;
  return {
    pid: child.pid,
    output: () => heard.text,
    write: (text) => void terminal.write(text),
    closeInput: () => void terminal.write('\x04'),
    waitFor: (text, wait) => heard.waitFor(text, () => child.exitCode ?? child.signalCode, argv, wait),
    signal: (signal) => child.kill(signal),
    resize: (columns, rows) => terminal.resize(columns, rows),
    exited: async (timeout) => {
      const timer = deadline(
        argv,
        timeout,
        () => child.kill('SIGKILL'),
        () => heard.text,
      );
      try {
        await Promise.race([child.exited, timer.expired]);
        // The terminal's last output may come after the end of the process.
        await Bun.sleep(20);
        return exitCode(child);
      } finally {
        timer.stop();
        terminal.close();
      }
    },
  };
}

/** Waits until `condition` gives something other than undefined, null or false. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  timeout = 30_000,
): Promise<Exclude<T, undefined | null | false>> {
  const end = Date.now() + timeout;
  for (;;) {
    const value = await condition();
    if (value !== undefined && value !== null && value !== false) {
      return value as Exclude<T, undefined | null | false>;
    }
    if (Date.now() > end) throw new Error(`after ${timeout / 1000} s still not: ${what}`);
    await Bun.sleep(25);
  }
}

class Heard {
  text = '';
  readonly #decoder = new TextDecoder();
  add(chunk: Uint8Array): void {
    this.text += this.#decoder.decode(chunk, { stream: true });
  }
  async follow(stream: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of stream) this.add(chunk);
  }
  async waitFor(
    text: string | RegExp,
    ended: () => unknown,
    argv: readonly string[],
    { from = 0, timeout = 30_000 }: { from?: number; timeout?: number } = {},
  ): Promise<void> {
    const end = Date.now() + timeout;
    for (;;) {
      const over = ended() !== null;
      const seen = this.text.slice(from);
      if (typeof text === 'string' ? seen.includes(text) : text.test(seen)) return;
      const why = over ? 'the program ended' : Date.now() > end ? 'time passed' : undefined;
      if (why)
        throw new Error(
          `${why} before ${argv.join(' ')} said ${text}; it said: ${JSON.stringify(this.text)}`,
        );
      await Bun.sleep(10);
    }
  }
}

function exitCode(child: { exitCode: number | null; signalCode: string | number | null }): number {
  if (child.exitCode !== null) return child.exitCode;
  const signals: Record<string, number> = constants.signals;
  const signal = child.signalCode;
  return 128 + (typeof signal === 'number' ? signal : (signals[signal ?? ''] ?? 0));
}

function deadline(argv: readonly string[], timeout = 60_000, kill: () => void, heard = () => '') {
  let timer: Timer | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      kill();
      reject(new Error(`${argv.join(' ')} did not end within ${timeout / 1000} s; it said: ${heard()}`));
    }, timeout);
  });
  expired.catch(() => undefined);
  return { expired, stop: () => clearTimeout(timer) };
}
