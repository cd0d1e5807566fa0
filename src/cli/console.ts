import { writeSync } from 'node:fs';

/** Exit status of a program that wrote to a pipe nobody reads, as a shell reports SIGPIPE. */
const EXIT_SIGPIPE = 141;

const sleepCell = new Int32Array(new SharedArrayBuffer(4));

/**
 * Writes everything to a descriptor before it returns, so that nothing is lost at exit. A reader that went away
 * (`| head -1`) ends the program quietly, as SIGPIPE ends others.
 */
function writeAll(descriptor: number, data: Uint8Array): void {
  let offset = 0;
  while (offset < data.length) {
    try {
      offset += writeSync(descriptor, data, offset);
    } catch (error) {
      const code = (error as { code?: unknown }).code;
      if (code === 'EPIPE') process.exit(EXIT_SIGPIPE);
      // The descriptor may be shared with a program that made it non-blocking.
      if (code !== 'EAGAIN') throw error;
      Atomics.wait(sleepCell, 0, 0, 2);
    }
  }
}

/** The program's stdout and stderr. Everything is written in order and at once. */
export interface Console {
  out(data: string | Uint8Array): void;
  err(data: string | Uint8Array): void;
}

const encoder = new TextEncoder();
const bytesOf = (data: string | Uint8Array): Uint8Array =>
  typeof data === 'string' ? encoder.encode(data) : data;

/** The real console. */
export const processConsole: Console = {
  out: (data) => writeAll(1, bytesOf(data)),
  err: (data) => writeAll(2, bytesOf(data)),
};
