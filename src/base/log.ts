/** Log levels as dockerd's `--log-level` names them, lowest first. */
export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'fatal'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Structured fields of one log line. */
export type LogFields = Readonly<Record<string, unknown>>;

/** Writes one line a call, in logfmt as dockerd does: `time=… level=… msg="…" key=value`. */
export interface Logger {
  debug(message: string, fields?: LogFields): void;
  info(message: string, fields?: LogFields): void;
  warn(message: string, fields?: LogFields): void;
  error(message: string, fields?: LogFields): void;
}

function quote(value: unknown): string {
  const text =
    value instanceof Error
      ? value.message
      : typeof value === 'object'
        ? JSON.stringify(value)
        : String(value);
  return /^[\w./:@+-]+$/.test(text) ? text : JSON.stringify(text);
}

/** A logger whose level can be changed while it runs (SIGHUP). */
export class LineLogger implements Logger {
  #threshold: number;
  readonly #write: (line: string) => void;

  constructor(level: LogLevel, write: (line: string) => void) {
    this.#threshold = LOG_LEVELS.indexOf(level);
    this.#write = write;
  }

  setLevel(level: LogLevel): void {
    this.#threshold = LOG_LEVELS.indexOf(level);
  }

  #log(level: LogLevel, message: string, fields: LogFields | undefined): void {
    if (LOG_LEVELS.indexOf(level) < this.#threshold) return;
    let line = `time=${JSON.stringify(new Date().toISOString())} level=${level} msg=${JSON.stringify(message)}`;
    for (const [key, value] of Object.entries(fields ?? {})) line += ` ${key}=${quote(value)}`;
    this.#write(`${line}\n`);
  }

  debug(message: string, fields?: LogFields): void {
    this.#log('debug', message, fields);
  }
  info(message: string, fields?: LogFields): void {
    this.#log('info', message, fields);
  }
  warn(message: string, fields?: LogFields): void {
    this.#log('warn', message, fields);
  }
  error(message: string, fields?: LogFields): void {
    this.#log('error', message, fields);
  }
}

/** A logger that drops everything, for tests. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
