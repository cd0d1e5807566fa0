import type { IoSession } from '../../../src/engine/containers/containers.ts';

/** A process's stdio in memory. */
export class FakeSession implements IoSession {
  readonly tty: boolean;
  readonly input: Uint8Array[] = [];
  readonly #ended = Promise.withResolvers<'eof' | 'closed' | 'overrun'>();
  readonly ended = this.#ended.promise;
  #listener: ((stream: 'stdout' | 'stderr', chunk: Uint8Array) => void) | undefined;
  #backlog: Array<['stdout' | 'stderr', Uint8Array]> = [];
  paused = false;
  closed = false;
  /** Called when stdin has ended. */
  onInputEnd: () => void = () => {};
  onInput: (chunk: Uint8Array) => Promise<void> | void = () => {};
  onResume: () => void = () => {};

  constructor(tty: boolean) {
    this.tty = tty;
  }

  onOutput(listener: (stream: 'stdout' | 'stderr', chunk: Uint8Array) => void): void {
    this.#listener = listener;
    for (const [stream, chunk] of this.#backlog) listener(stream, chunk);
    this.#backlog = [];
  }

  emit(stream: 'stdout' | 'stderr', text: string | Uint8Array): void {
    const chunk = typeof text === 'string' ? Buffer.from(text) : text;
    if (this.#listener === undefined) this.#backlog.push([stream, chunk]);
    else this.#listener(stream, chunk);
  }

  exit(): void {
    this.#ended.resolve('eof');
  }

  async write(chunk: Uint8Array): Promise<void> {
    this.input.push(chunk.slice());
    await this.onInput(chunk);
  }

  async closeInput(): Promise<void> {
    this.onInputEnd();
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.onResume();
  }

  close(): void {
    this.closed = true;
    this.#ended.resolve('closed');
  }

  get inputText(): string {
    return Buffer.concat(this.input).toString();
  }
}

export function byteStream(parts: readonly string[]): ReadableStream<Uint8Array> {
  const pending = [...parts];
  return new ReadableStream({
    pull(controller) {
      const part = pending.shift();
      if (part === undefined) controller.close();
      else controller.enqueue(Buffer.from(part));
    },
  });
}
