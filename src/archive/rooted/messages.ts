import type { ErrorKind } from '../../base/errors.ts';
import type { PathStatus, RootSource, UnpackOptions } from './rooted.ts';

/**
 * What goes to and from the Worker. A call is answered by one `result` or `error`. While packing, the Worker sends
 * pieces and waits for `more`; while unpacking, it takes pieces and acknowledges each. Pieces are transferred.
 */
export type ToRooted =
  | { readonly call: RootedCall }
  | { readonly piece: Uint8Array }
  | { readonly end: true }
  | { readonly more: true }
  | { readonly abort: true };

export type RootedCall =
  | { readonly do: 'open'; readonly root: RootSource }
  | { readonly do: 'stat' | 'enter' | 'pack'; readonly path: string }
  | { readonly do: 'unpack'; readonly options: UnpackOptions }
  | { readonly do: 'close' };

export type FromRooted =
  | { readonly result: PathStatus | string | null }
  | { readonly error: { readonly kind: ErrorKind; readonly message: string; readonly code?: string } }
  | { readonly piece: Uint8Array }
  /** The tar of `pack` is complete. */
  | { readonly packed: true }
  | { readonly ack: true };

/** Pieces that may be under way in either direction: bounds the memory to a few MiB a copy. */
export const WINDOW = 8;
