import { hostname } from 'node:os';
import type { LogLine } from '../line-joiner.ts';
import { type LogEncoder, textBytes } from './ship.ts';

/** How messages of syslog are written. */
export interface SyslogOptions {
  /** Number of the facility, 0 to 23. */
  readonly facility: number;
  readonly format: '' | 'rfc3164' | 'rfc5424' | 'rfc5424micro';
  readonly tag: string;
  /** Each message begins with its length (RFC 5425), as RFC 5424 over TLS has it. */
  readonly counted: boolean;
  /** The process that sends; Docker has the daemon's here. */
  readonly pid: number;
  readonly host?: string;
}

const LEVEL_ERROR = 3;
const LEVEL_INFO = 6;
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/**
 * Messages as dockerd writes them: without a format those of local programs (no host name), else those of RFC 3164
 * or RFC 5424 with the tag as APP-NAME and MSGID. A newline ends each one.
 */
export class SyslogEncoder implements LogEncoder {
  readonly #options: SyslogOptions;
  readonly #host: string;

  constructor(options: SyslogOptions) {
    this.#options = options;
    this.#host = options.host ?? hostname();
  }

  encode(line: LogLine): Uint8Array[] {
    const level = line.stream === 'stderr' ? LEVEL_ERROR : LEVEL_INFO;
    const priority = this.#options.facility * 8 + level;
    const header = Buffer.from(`<${priority}>${this.#header(line.time)}`);
    const message = Buffer.concat([header, textBytes(line), NEWLINE]);
    return [
      this.#options.counted ? Buffer.concat([Buffer.from(`${message.byteLength} `), message]) : message,
    ];
  }

  #header(time: string): string {
    const { format, tag, pid } = this.#options;
    switch (format) {
      case '':
        return `${stamp(time)} ${tag}[${pid}]: `;
      case 'rfc3164':
        return `${stamp(time)} ${this.#host} ${tag}[${pid}]: `;
      case 'rfc5424':
        return `1 ${time.slice(0, 19)}Z ${this.#host} ${tag} ${pid} ${tag} - `;
      case 'rfc5424micro':
        return `1 ${time.slice(0, 26)}Z ${this.#host} ${tag} ${pid} ${tag} - `;
    }
  }
}

const NEWLINE = Buffer.from('\n');

/** `Jan _2 15:04:05` in the machine's zone: RFC 3164 has no other. */
function stamp(time: string): string {
  const date = new Date(time);
  const day = String(date.getDate()).padStart(2);
  const clock = [date.getHours(), date.getMinutes(), date.getSeconds()]
    .map((part) => String(part).padStart(2, '0'))
    .join(':');
  return `${MONTHS[date.getMonth()]} ${day} ${clock}`;
}
