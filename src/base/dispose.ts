/**
 * A stack of undo actions for work that is done in several steps: each step that succeeded pushes how to take
 * it back; `unwind` runs them in reverse, `commit` forgets them.
 */
export class UndoStack {
  #actions: Array<() => void | Promise<void>> = [];

  /** Adds an action that takes the last step back. */
  push(undo: () => void | Promise<void>): void {
    this.#actions.push(undo);
  }

  /** Forgets all actions: the work as a whole has succeeded. */
  commit(): void {
    this.#actions = [];
  }

  /** Runs all actions, newest first. A failing action does not stop the others; `onError` hears of it. */
  async unwind(onError: (error: unknown) => void = () => {}): Promise<void> {
    const actions = this.#actions.reverse();
    this.#actions = [];
    for (const action of actions) {
      try {
        await action();
      } catch (error) {
        onError(error);
      }
    }
  }
}
