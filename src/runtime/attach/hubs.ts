import { TareError } from '../../base/errors.ts';
import { SyscallError } from '../../kernel/errno.ts';
import type { Tracked } from '../conmon/tracked.ts';
import type { Attachment } from '../runtime.ts';
import { StdioHub } from './stdio-hub.ts';

/** The open connections to processes' stdio, one a process. */
export class Hubs {
  readonly #hubs = new Map<Tracked, StdioHub>();

  /** Joins the connection of a process, making it when there is none. Throws `not-found` when its monitor has gone. */
  attach(tracked: Tracked): Attachment {
    const { record } = tracked;
    let hub = this.#hubs.get(tracked);
    if (!hub) {
      // A pty's stdin is never ended from outside; the monitor then leaves it open when clients go.
      const inputCloses = record.openStdin && record.stdinOnce && !record.terminal;
      try {
        const made: StdioHub = new StdioHub({
          directory: tracked.directory,
          inputCloses,
          keepConnected: inputCloses && record.execId === undefined,
          onClosed: () => {
            if (this.#hubs.get(tracked) === made) this.#hubs.delete(tracked);
          },
        });
        hub = made;
      } catch (error) {
        if (!(error instanceof SyscallError)) throw error;
        const name = record.execId ?? record.id;
        throw new TareError('not-found', `${name} has ended, there is nothing to attach to`, error);
      }
      this.#hubs.set(tracked, hub);
    }
    return hub.attach();
  }

  close(): void {
    for (const hub of [...this.#hubs.values()]) hub.close();
  }
}
