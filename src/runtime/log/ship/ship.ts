import type { LogLine } from '../line-joiner.ts';

/**
 * How a log leaves the machine. A *shipper* reads the log's files from a remembered place on, an *encoder* makes
 * messages of its lines, a *destination* takes them. The files are the queue: whatever becomes of the destination,
 * the container writes on, and what was not taken yet is read again.
 */

/** Makes the bytes of one line: one message, or the datagrams it takes. Empty: there is nothing to send of it. */
export interface LogEncoder {
  encode(line: LogLine): readonly Uint8Array[];
}

/** Where messages go. */
export interface LogDestination {
  /**
   * Sends messages in order, connecting first when there is no connection; resolves when the destination can take
   * more. Rejects when it could not: any of them may or may not have arrived.
   */
  send(messages: readonly Uint8Array[]): Promise<void>;
  /** Called when a connection has broken between two sends. */
  onBroken(listener: () => void): void;
  /**
   * What was sent less than this long before a connection broke may be lost with it, and is sent again.
   * Milliseconds; 0 where there is nothing on the way.
   */
  readonly doubt: number;
  /** Gives the connection up; after what was sent has gone out. */
  close(): void;
}

/** The line's bytes without the newline that ends it. */
export function textBytes({ data }: LogLine): Uint8Array {
  return data.at(-1) === 10 ? data.subarray(0, -1) : data;
}
