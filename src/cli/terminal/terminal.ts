import { isatty } from 'node:tty';
import { CommandFailure } from '../failure.ts';

/** Height and width in characters. */
export interface TerminalSize {
  readonly height: number;
  readonly width: number;
}

export const stdinIsTerminal = (): boolean => isatty(0);
export const stdoutIsTerminal = (): boolean => isatty(1);
export const stderrIsTerminal = (): boolean => isatty(2);

/** The terminal's size, or undefined when stdout is none. */
export function terminalSize(): TerminalSize | undefined {
  if (!stdoutIsTerminal()) return undefined;
  const [width, height] = process.stdout.getWindowSize();
  return width > 0 && height > 0 ? { height, width } : undefined;
}

/** A terminal was asked for and stdin, which is to be attached, is none. @throws CommandFailure */
export function requireTerminal(attachStdin: boolean, tty: boolean): void {
  if (tty && attachStdin && !stdinIsTerminal()) throw new CommandFailure('the input device is not a TTY');
}

const FATAL = [
  ['SIGHUP', 129],
  ['SIGTERM', 143],
] as const;

/**
 * Hands every key to the program as it is typed, Ctrl-C included.
 * @returns what puts the terminal back; it may be called several times.
 */
export function rawMode(): () => void {
  if (!stdinIsTerminal()) return () => {};
  process.stdin.setRawMode(true);
  // Bun's raw mode still turns each newline into CR and newline, which the container's own terminal did already.
  Bun.spawnSync(['stty', '-opost'], { stdin: 'inherit', stdout: 'ignore', stderr: 'ignore' });
  let restored = false;
  const restore = () => {
    if (restored) return;
    restored = true;
    process.stdin.setRawMode(false);
    for (const [name, handler] of handlers) process.off(name, handler);
  };
  // A client that is told to go leaves a usable terminal behind.
  const handlers = FATAL.map(([name, code]) => {
    const handler = () => {
      restore();
      process.exit(code);
    };
    process.on(name, handler);
    return [name, handler] as const;
  });
  return restore;
}

/** Calls `report` with the terminal's size now and whenever it changes; returns what ends that. */
export function watchSize(report: (size: TerminalSize) => void): () => void {
  const tell = () => {
    const size = terminalSize();
    if (size !== undefined) report(size);
  };
  tell();
  process.on('SIGWINCH', tell);
  return () => process.off('SIGWINCH', tell);
}
