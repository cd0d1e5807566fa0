import type { ProgressMessage } from '../../wire/errors.ts';
import type { Console } from '../console.ts';
import { failureOf } from '../progress/progress.ts';
import { BuildBoard } from './board.ts';
import { BuildTree, type Look } from './build-tree.ts';
import { Screen } from './screen.ts';

/** Milliseconds between two looks at the clock. */
const TICK = 200;
/**
 * Shows a build on a terminal by the classic builder's words.
 * @param onAux gets the machine-readable extras
 * @throws CommandFailure with the daemon's words when the build failed.
 */
export async function showWords(
  messages: AsyncIterable<ProgressMessage>,
  console: Console,
  onAux: (aux: unknown) => void,
): Promise<void> {
  const board = new BuildBoard(() => performance.now());
  const screen = new Screen(console);
  const ticks = setInterval(() => screen.draw([], board.live(screen.width)), TICK);
  try {
    for await (const message of messages) {
      const failure = failureOf(message);
      if (failure !== undefined) throw failure;
      if (message.aux !== undefined) onAux(message.aux);
      else {
        const { width } = screen;
        const final = board.take(message, width);
        if (final.length > 0 || screen.isDue) screen.draw(final, board.live(width));
      }
    }
    screen.draw(board.finish(screen.width), []);
  } catch (error) {
    screen.draw(board.fail(screen.width), []);
    throw error;
  } finally {
    clearInterval(ticks);
  }
}

/** What the client itself does before the daemon builds, as a step of the tree. */
const CONTEXT = 'context';

/**
 * Shows a build on a terminal as a tree. Begun before the context goes out; the terminal stays sane however it ends.
 */
export class LiveBuild {
  readonly #tree = new BuildTree(() => Date.now());
  readonly #screen: Screen;
  readonly #ticks: ReturnType<typeof setInterval>;
  readonly #colour: boolean;
  readonly #onSignal = (): void => {
    this.#close();
    this.#screen.draw([...this.#lines(), 'Cancelled: nothing was tagged'], []);
    // As a shell reports SIGINT. The daemon stops the build when the connection is gone.
    process.exit(130);
  };
  readonly #console: Console;
  #over = false;

  constructor(console: Console, environment: Readonly<Record<string, string | undefined>>) {
    this.#console = console;
    this.#screen = new Screen(console);
    this.#colour = (environment.NO_COLOR ?? '') === '' && environment.TERM !== 'dumb';
    this.#ticks = setInterval(() => this.#draw(), TICK);
    process.once('SIGINT', this.#onSignal);
    process.once('SIGTERM', this.#onSignal);
  }

  get #look(): Look {
    return { width: this.#screen.width, rows: this.#screen.rows, colour: this.#colour };
  }

  #lines(): string[] {
    return this.#tree.lines(this.#look);
  }

  #draw(): void {
    if (!this.#over) this.#screen.draw([], this.#lines());
  }

  #close(): void {
    this.#over = true;
    this.#tree.end();
    clearInterval(this.#ticks);
    process.off('SIGINT', this.#onSignal);
    process.off('SIGTERM', this.#onSignal);
  }

  /** The context begins to go out. */
  contextBegins(): void {
    this.#tree.take({
      kind: 'vertex',
      ...{ id: CONTEXT, name: '[internal] load build context', inputs: [], started: Date.now() },
    });
  }

  /** Bytes that went out. */
  contextSent(bytes: number): void {
    const size = { id: 'transferring context', name: 'transferring context', current: bytes, total: 0 };
    this.#tree.take({ kind: 'status', vertex: CONTEXT, ...size });
    if (this.#screen.isDue) this.#draw();
  }

  contextEnds(): void {
    this.#tree.take({ kind: 'vertex', id: CONTEXT, name: '', inputs: [], completed: Date.now() });
  }

  /**
   * Follows the daemon's messages to the end.
   * @throws CommandFailure with the daemon's words when the build failed.
   */
  async follow(messages: AsyncIterable<ProgressMessage>, onAux: (aux: unknown) => void): Promise<void> {
    const iterator = messages[Symbol.asyncIterator]();
    const first = await iterator.next();
    if (first.done) return;
    const all = chained(first.value, iterator);
    if (first.value.tare === undefined && first.value.stream !== undefined) {
      // A daemon that only knows the classic builder's words.
      this.#close();
      this.#screen.draw([], []);
      return await showWords(all, this.#console, onAux);
    }
    const final: string[] = [];
    for await (const message of all) {
      const failure = failureOf(message);
      if (failure !== undefined) throw failure;
      if (message.aux !== undefined) onAux(message.aux);
      else if (message.tare !== undefined) this.#tree.take(message.tare);
      else if (message.stream !== undefined) final.push(message.stream.trimEnd());
      if (this.#screen.isDue) this.#draw();
    }
    this.#close();
    this.#screen.draw([...this.#lines(), ...this.#tree.warnings(this.#look), ...final], []);
  }

  /** The build failed: what there is to see of it stays. Idempotent, and nothing after a good end. */
  fail(): void {
    if (this.#over) return;
    this.#close();
    const look = this.#look;
    this.#screen.draw([...this.#lines(), ...this.#tree.warnings(look), ...this.#tree.failures(look)], []);
  }
}

async function* chained<T>(first: T, rest: AsyncIterator<T>): AsyncGenerator<T> {
  yield first;
  yield* { [Symbol.asyncIterator]: () => rest };
}
