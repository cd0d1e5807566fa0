import type { Attachment } from '../../runtime/runtime.ts';
import type { Session } from './sessions.ts';

/** Clients that attached to containers before their start. */
export class PendingSessions {
  readonly #waiting = new Map<string, Set<Session>>();

  add(id: string, session: Session): void {
    const sessions = this.#waiting.get(id) ?? new Set();
    sessions.add(session);
    this.#waiting.set(id, sessions);
    session.ended.then(() => sessions.delete(session));
  }

  /** The process waits at its gate: each client gets a connection of its own. */
  async connect(id: string, attach: () => Promise<Attachment>): Promise<void> {
    const sessions = this.#waiting.get(id);
    this.#waiting.delete(id);
    for (const session of sessions ?? []) if (!session.closed) session.connect(await attach());
  }

  /** The process will not come. */
  abandon(id: string): void {
    for (const session of this.#waiting.get(id) ?? []) session.abandon();
    this.#waiting.delete(id);
  }
}
