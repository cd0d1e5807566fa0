import { closeFd } from '../../kernel/namespaces.ts';
import { readNow } from '../../kernel/pipe.ts';
import { Ready, type Registration, watchDescriptor } from '../../kernel/reactor.ts';

/** A line of conmon's sync pipe (`--api-version 1`). */
export interface SyncMessage {
  /** A pid; after an exec's end its exit code; negative: the runtime failed, and `message` is its stderr. */
  readonly data: number;
  readonly message?: string;
}

/** The reading end of a pipe on which conmon reports: `_OCI_SYNCPIPE` and `_OCI_ATTACHPIPE`. */
export class SyncPipe {
  readonly #fd: number;
  readonly #registration: Registration;
  readonly #messages: SyncMessage[] = [];
  #text = '';
  #ended = false;
  #waiter: ((message: SyncMessage | undefined) => void) | undefined;

  /** Takes the descriptor over. */
  constructor(fd: number) {
    this.#fd = fd;
    this.#registration = watchDescriptor(fd, Ready.IN, () => this.#read());
  }

  /** The next message; undefined when the other end was closed. */
  next(): Promise<SyncMessage | undefined> {
    const message = this.#messages.shift();
    if (message || this.#ended) return Promise.resolve(message);
    const { promise, resolve } = Promise.withResolvers<SyncMessage | undefined>();
    this.#waiter = resolve;
    return promise;
  }

  #read(): boolean {
    while (!this.#ended) {
      const bytes = readNow(this.#fd);
      if (bytes === 'empty') return false;
      if (bytes === 'eof') this.close();
      else this.#text += bytes.toString('utf8');
      for (let end = this.#text.indexOf('\n'); end >= 0; end = this.#text.indexOf('\n')) {
        const message = parse(this.#text.slice(0, end));
        this.#text = this.#text.slice(end + 1);
        if (message) this.#messages.push(message);
      }
      this.#deliver();
    }
    return false;
  }

  #deliver(): void {
    if (!this.#waiter || (this.#messages.length === 0 && !this.#ended)) return;
    const waiter = this.#waiter;
    this.#waiter = undefined;
    waiter(this.#messages.shift());
  }

  close(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#registration.remove();
    closeFd(this.#fd);
    this.#deliver();
  }
}

function parse(line: string): SyncMessage | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value !== 'object' || value === null || !('data' in value)) return undefined;
    const { data } = value;
    if (typeof data !== 'number') return undefined;
    const message = 'message' in value && typeof value.message === 'string' ? value.message : undefined;
    return message === undefined ? { data } : { data, message };
  } catch {
    return undefined;
  }
}
