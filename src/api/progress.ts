import { isKind, messageOf } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { ProgressEvent } from '../engine/images/images.ts';
import type { ProgressMessage } from '../wire/errors.ts';
import type { Exchange } from './exchange.ts';
import { BatchedAnswer } from './line-stream.ts';

/**
 * Docker's progress stream: JSON objects, one a line. Nothing is sent before the first message, so that an error
 * before it still gets its status; a later one becomes the last line.
 */
export class ProgressStream {
  readonly #x: Exchange;
  #answer: BatchedAnswer | undefined;

  constructor(x: Exchange) {
    this.#x = x;
  }

  /** Sends one message. */
  send(message: ProgressMessage): void {
    void this.#open().add(`${JSON.stringify(message)}\r\n`);
  }

  /** Sends a step of an operation; steps between two counts are left out for a client that does not keep up. */
  report(event: ProgressEvent): void {
    if (event.current !== undefined && this.#answer?.stalled === true) return;
    this.send(toMessage(event));
  }

  #open(): BatchedAnswer {
    if (this.#answer === undefined) {
      this.#x.begin(200, { 'Content-Type': 'application/json' });
      this.#answer = new BatchedAnswer(this.#x);
    }
    return this.#answer;
  }

  /**
   * Runs an operation that reports here and ends the answer, with an error line if it failed. `alwaysHere`: also
   * when nothing was reported before; else the error then is an answer of its own, with its status.
   */
  async run(operation: () => Promise<void>, log?: Logger, alwaysHere = false): Promise<void> {
    try {
      await operation();
    } catch (error) {
      if (this.#answer === undefined && !alwaysHere) throw error;
      if (!isKind(error, 'cancelled')) log?.warn(`operation failed: ${messageOf(error)}`);
      const message = messageOf(error);
      const code = exitCodeOf(error);
      this.send({ errorDetail: { ...(code !== undefined && { code }), message }, error: message });
      await this.#x.discardRequest();
    }
    await this.#open().end();
  }
}

/** Of a step of a build that failed. */
function exitCodeOf(error: unknown): number | undefined {
  const has = typeof error === 'object' && error !== null && 'exitCode' in error;
  return has && typeof error.exitCode === 'number' ? error.exitCode : undefined;
}

const LAYER_ID = /^[0-9a-f]{12}$/;

function toMessage(event: ProgressEvent): ProgressMessage {
  const message: ProgressMessage = {};
  if (event.stream !== undefined) message.stream = event.stream;
  if (event.status !== undefined) {
    message.status = event.status;
    // dockerd's progress of a layer has details, if only empty ones; what it says of the whole has none.
    if (LAYER_ID.test(event.id ?? '')) message.progressDetail = {};
  }
  if (event.current !== undefined) {
    message.progressDetail = { current: event.current };
    if (event.total !== undefined) message.progressDetail.total = event.total;
    message.progress = progressBar(event.current, event.total ?? 0);
  }
  if (event.id !== undefined) message.id = event.id;
  if (event.aux !== undefined) {
    message.progressDetail = {};
    message.aux = event.aux;
  }
  return message;
}

/** `[====>      ]  1.2MB/3.4MB`; without a total only the count. */
export function progressBar(current: number, total: number): string {
  const size = humanSize(current).padStart(8);
  if (total <= 0 || current > total) return size;
  const done = Math.min(50, Math.floor((current / total) * 50));
  const head = done < 50 ? `${'='.repeat(done)}>${' '.repeat(50 - done)}` : '='.repeat(50);
  return `[${head}] ${size}/${humanSize(total)}`;
}

/** Decimal units with at most four digits, as Docker prints sizes. */
function humanSize(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${Number(value.toPrecision(4))}${units[unit]}`;
}
