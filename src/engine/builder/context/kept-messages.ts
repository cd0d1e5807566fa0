import type { ContextEntry, FileEnd } from '../../../archive/context-entry.ts';
import type { ErrorKind } from '../../../base/errors.ts';
import type { WantedFile } from './kept-contexts.ts';

/**
 * What goes to and from the Worker of a sync. Each message is answered, in order, by one `result` or `error`; pieces
 * are transferred.
 */
export type ToKept =
  | { readonly do: 'begin'; readonly directory: string; readonly boot: string }
  | { readonly do: 'announce'; readonly entries: readonly ContextEntry[] }
  | { readonly do: 'wanted' | 'finish' | 'received' }
  /** A piece of a stream of frames. */
  | { readonly do: 'frames'; readonly piece: Uint8Array }
  | { readonly do: 'write'; readonly index: number; readonly piece: Uint8Array }
  | { readonly do: 'end'; readonly index: number; readonly how: FileEnd }
  /** Writes down what is there; the last message. */
  | { readonly do: 'close'; readonly header: KeptHeader };

/** First line of the file that says what a kept directory holds. */
export interface KeptHeader {
  readonly key: string;
  /** The machine's boot: what was not written out is lost with it. */
  readonly boot: string;
  /** Milliseconds since the epoch. */
  readonly usedAt: number;
  /** Bytes of the files. */
  readonly size: number;
}

export interface FinishedTree {
  /** Digests of files by path, both as byte strings. */
  readonly digests: ReadonlyArray<readonly [path: string, digest: string]>;
  readonly size: number;
}

export type FromKept =
  | { readonly result: readonly WantedFile[] | FinishedTree | null }
  | { readonly error: { readonly kind: ErrorKind; readonly message: string; readonly code?: string } };

/** In a kept directory's own folder. */
export const TREE = 'tree';
export const INDEX = 'index';
