import { settlesWithin } from '../../base/settles-within.ts';
import type { IoSession } from './containers.ts';
import type { Session } from './sessions.ts';

/** An end is handled at the latest this long after the output ended. Milliseconds. */
const PATIENCE = 5_000;

/**
 * A session that ends only after the end of its process was handled: right after the stream's end, clients ask for
 * the exit code or remove the container. `settled` is called when the output has ended.
 */
export class SettledSession implements IoSession {
  readonly tty: boolean;
  readonly ended: Promise<'eof' | 'closed' | 'overrun'>;
  readonly #session: Session;

  constructor(session: Session, settled: () => Promise<unknown>) {
    this.tty = session.tty;
    this.#session = session;
    this.ended = session.ended.then(async (end) => {
      if (end === 'eof') await settlesWithin(settled(), PATIENCE);
      return end;
    });
  }

  onOutput(listener: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void): void {
    this.#session.onOutput(listener);
  }
  write(chunk: Uint8Array): Promise<void> {
    return this.#session.write(chunk);
  }
  closeInput(): Promise<void> {
    return this.#session.closeInput();
  }
  pause(): void {
    this.#session.pause();
  }
  resume(): void {
    this.#session.resume();
  }
  close(): void {
    this.#session.close();
  }
}
