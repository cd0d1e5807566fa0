import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { codeOf, fromNodeError } from '../../../kernel/errno.ts';
import type { LogMark } from '../log-files.ts';

/** Remembers, beside a log, up to where it was sent. */
export class SentMark {
  readonly #path: string;
  #written: LogMark | undefined;

  /** `log`: path of the log. */
  constructor(log: string) {
    this.#path = `${log}.sent`;
  }

  /** Undefined when nothing was sent yet, or the file is damaged: then all is sent again. */
  read(): LogMark | undefined {
    try {
      const { head, offset } = JSON.parse(readFileSync(this.#path, 'utf8')) as Partial<LogMark>;
      if (typeof head === 'string' && typeof offset === 'number') return { head, offset };
    } catch (error) {
      if (!(error instanceof SyntaxError) && codeOf(error) !== 'ENOENT') {
        throw fromNodeError(error, 'reading how far a log was sent');
      }
    }
    return undefined;
  }

  /** Whole or not at all. Not synced: after a power cut some lines are sent twice. A log that is gone needs none. */
  write(mark: LogMark): void {
    if (mark.head === this.#written?.head && mark.offset === this.#written.offset) return;
    const unfinished = `${this.#path}.new`;
    try {
      writeFileSync(unfinished, JSON.stringify(mark), { mode: 0o600 });
      renameSync(unfinished, this.#path);
      this.#written = mark;
    } catch (error) {
      rmSync(unfinished, { force: true });
      if (codeOf(error) !== 'ENOENT') throw fromNodeError(error, 'remembering how far a log was sent');
    }
  }
}
