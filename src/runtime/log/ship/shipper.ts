import { messageOf } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { LogMark } from '../log-files.ts';
import { type LogBatch, readLog } from '../read-log.ts';
import { SentMark } from './sent-mark.ts';
import type { LogDestination, LogEncoder } from './ship.ts';

/** What shipping one log takes. */
export interface ShipperParts {
  /** Path of the log. */
  readonly path: string;
  readonly encoder: LogEncoder;
  readonly destination: LogDestination;
  /** Longest pause between two tries to reach the destination, milliseconds. */
  readonly retryWait: number;
  readonly log: Logger;
}

const FIRST_RETRY = 100;
/** How often the place is written down, milliseconds: what a `kill -9` sends twice at most. */
const WRITE_EVERY = 200;

/**
 * Sends a log, from where the last shipper came to until its writer has ended. While the destination is away the log's
 * files wait; the memory is one block of it. What was in doubt when a connection broke is sent again.
 */
export class LogShipper {
  readonly #parts: ShipperParts;
  readonly #mark: SentMark;
  /** Sent, but possibly lost with the connection; oldest first. */
  #doubtful: Array<{ readonly at: number; readonly next: LogMark }> = [];
  #certain: LogMark | undefined;
  #reading = new AbortController();
  #closed = false;
  #writing: Timer | undefined;
  readonly #stopped = Promise.withResolvers<void>();

  constructor(parts: ShipperParts) {
    this.#parts = parts;
    this.#mark = new SentMark(parts.path);
    parts.destination.onBroken(() => this.#reading.abort());
  }

  /** Ships until `ended` has resolved and all is sent, or `close` was called. Never rejects. */
  async run(ended: Promise<unknown>): Promise<void> {
    const { destination, retryWait, log, path } = this.#parts;
    let pause = FIRST_RETRY;
    let complained = false;
    while (!this.#closed) {
      try {
        this.#certain ??= this.#mark.read();
        await this.#ship(ended, () => {
          pause = FIRST_RETRY;
          complained = false;
        });
        if (!this.#reading.signal.aborted && (await this.#outlivesDoubt())) break;
      } catch (error) {
        // Once for each time it is away; a day of silence needs no thousand lines.
        if (!complained) log.warn('sending a log: the files wait', { path, error: messageOf(error) });
        complained = true;
        await Promise.race([Bun.sleep(pause), this.#stopped.promise]);
        pause = Math.min(pause * 2, retryWait);
      }
      this.#rewind();
    }
    this.#finish();
    destination.close();
  }

  async #ship(ended: Promise<unknown>, onSent: () => void): Promise<void> {
    const { path, encoder, destination, log } = this.#parts;
    const batches = readLog(path, {
      stdout: true,
      stderr: true,
      since: 0n,
      until: 0n,
      tail: -1,
      from: this.#certain,
      onGone: () => log.warn('a part of a log was rotated out before it could be sent', { path }),
      follow: { ended },
      signal: this.#reading.signal,
    });
    for await (const batch of batches) {
      await destination.send(encodeAll(encoder, batch));
      onSent();
      this.#note(batch.next);
      if (this.#closed) return;
    }
  }

  /** The last messages have to outlive the time in which a break could still lose them; false when one came. */
  async #outlivesDoubt(): Promise<boolean> {
    const broken = new Promise<void>((resolve) => {
      this.#reading.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    const { doubt } = this.#parts.destination;
    if (this.#doubtful.length === 0 || doubt === 0) return true;
    await Promise.race([Bun.sleep(doubt), broken, this.#stopped.promise]);
    return this.#closed || !this.#reading.signal.aborted;
  }

  #note(next: LogMark): void {
    const now = performance.now();
    this.#doubtful.push({ at: now, next });
    while (this.#doubtful[0] && this.#doubtful[0].at + this.#parts.destination.doubt <= now) {
      this.#certain = this.#doubtful.shift()?.next;
    }
    this.#writing ??= setTimeout(() => {
      this.#writing = undefined;
      if (this.#certain) this.#write(this.#certain);
    }, WRITE_EVERY);
  }

  #rewind(): void {
    this.#doubtful = [];
    this.#reading = new AbortController();
    if (this.#closed) this.#reading.abort();
  }

  #write(mark: LogMark): void {
    try {
      this.#mark.write(mark);
    } catch (error) {
      this.#parts.log.warn('remembering how far a log was sent', { error: messageOf(error) });
    }
  }

  #finish(): void {
    clearTimeout(this.#writing);
    const last = this.#doubtful.at(-1)?.next ?? this.#certain;
    if (last) this.#write(last);
  }

  /** Stops; what was sent is remembered. The log goes on waiting in its files. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#finish();
    this.#stopped.resolve();
    this.#reading.abort();
    this.#parts.destination.close();
  }
}

function encodeAll(encoder: LogEncoder, { lines }: LogBatch): Uint8Array[] {
  return lines.flatMap((line) => encoder.encode(line) as Uint8Array[]);
}
