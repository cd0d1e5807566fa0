import type { Attachment } from '../../runtime/runtime.ts';
import type { IoSession } from './containers.ts';

type Listener = (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void;
type End = 'eof' | 'closed' | 'overrun';

/**
 * A client's stdio session that may exist before the process does: what is written waits until `connect` gives
 * it the process's attachment. Streams that the client did not ask for are dropped here.
 */
export class Session implements IoSession {
  readonly tty: boolean;
  readonly ended: Promise<End>;
  readonly #wants: { stdin: boolean; stdout: boolean; stderr: boolean };
  readonly #connected = Promise.withResolvers<Attachment | undefined>();
  readonly #end = Promise.withResolvers<End>();
  #attachment: Attachment | undefined;
  #listener: Listener | undefined;
  #backlog: Array<['stdout' | 'stderr', Uint8Array]> = [];
  #paused = false;
  #closed = false;

  constructor(tty: boolean, wants: { stdin: boolean; stdout: boolean; stderr: boolean }) {
    this.tty = tty;
    this.#wants = wants;
    this.ended = this.#end.promise;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Ties the session to a running process. */
  connect(attachment: Attachment): void {
    if (this.#closed) {
      attachment.close();
      return;
    }
    this.#attachment = attachment;
    attachment.onOutput((stream, chunk) => {
      if (!this.#wants[stream] && !(this.tty && (this.#wants.stdout || this.#wants.stderr))) return;
      if (this.#listener) this.#listener(stream, chunk);
      else this.#backlog.push([stream, chunk]);
    });
    if (this.#paused) attachment.pause();
    this.#connected.resolve(attachment);
    attachment.ended.then((end) => this.#finish(end));
  }

  /** The process will never come. */
  abandon(): void {
    this.#connected.resolve(undefined);
    this.#finish('closed');
  }

  #finish(end: End): void {
    this.#closed = true;
    this.#end.resolve(end);
  }

  onOutput(listener: Listener): void {
    this.#listener = listener;
    const backlog = this.#backlog;
    this.#backlog = [];
    for (const [stream, chunk] of backlog) listener(stream, chunk);
  }

  async write(chunk: Uint8Array): Promise<void> {
    if (!this.#wants.stdin) return;
    const attachment = await this.#connected.promise;
    await attachment?.write(chunk);
  }

  async closeInput(): Promise<void> {
    if (!this.#wants.stdin) return;
    const attachment = await this.#connected.promise;
    await attachment?.closeInput();
  }

  pause(): void {
    this.#paused = true;
    this.#attachment?.pause();
  }

  resume(): void {
    this.#paused = false;
    this.#attachment?.resume();
  }

  close(): void {
    if (this.#closed) return;
    this.#attachment?.close();
    this.#connected.resolve(undefined);
    this.#finish('closed');
  }
}
