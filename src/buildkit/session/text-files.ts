import { posix } from 'node:path';
import type { ContextEntry, FileEnd } from '../../archive/context-entry.ts';
import { TareError } from '../../base/errors.ts';
import type { WantedFile } from '../../engine/builder/context/kept-contexts.ts';
import type { FileSink } from './file-sync.ts';
import { UNIX } from './go-mode.ts';

/** Bytes; no Dockerfile is longer. */
const LONGEST = 4 << 20;
/** As many as Linux follows. */
const LINKS = 40;

/** A few small files of a client, in memory: a Dockerfile, a .dockerignore. */
export class TextFiles implements FileSink {
  readonly #entries: ContextEntry[] = [];
  readonly #byPath = new Map<string, number>();
  readonly #pieces = new Map<number, Uint8Array[]>();
  #bytes = 0;

  async announce(entries: readonly ContextEntry[]): Promise<void> {
    for (const entry of entries) this.#byPath.set(entry.path, this.#entries.push(entry) - 1);
  }

  async wanted(): Promise<WantedFile[]> {
    return this.#entries.flatMap(({ mode }, index) =>
      (mode & UNIX.mask) === UNIX.file ? [{ index, digest: '' }] : [],
    );
  }

  async write(index: number, bytes: Uint8Array): Promise<void> {
    this.#bytes += bytes.length;
    if (this.#bytes > LONGEST)
      throw new TareError('invalid', `files of more than ${LONGEST} bytes where a Dockerfile is asked for`);
    this.#pieces.set(index, [...(this.#pieces.get(index) ?? []), new Uint8Array(bytes)]);
  }

  async end(_index: number, _how: FileEnd): Promise<void> {}

  /** The text of a file; links are followed among these files. Undefined: there is none. */
  read(path: string): string | undefined {
    let at = posix.join('/', path).slice(1);
    for (let followed = 0; followed <= LINKS; followed++) {
      const index = this.#byPath.get(Buffer.from(at, 'utf8').toString('latin1'));
      const entry = index === undefined ? undefined : this.#entries[index];
      if (entry === undefined) return undefined;
      if ((entry.mode & UNIX.mask) === UNIX.file) {
        return Buffer.concat(this.#pieces.get(index!) ?? []).toString('utf8');
      }
      const target = Buffer.from(entry.link, 'latin1').toString('utf8');
      at = posix.resolve('/', posix.dirname(at), target).slice(1);
    }
    return undefined;
  }
}
