import type { ByteString } from './byte-string.ts';

/** What a tar entry is. */
export type TarType = 'file' | 'link' | 'symlink' | 'character' | 'block' | 'directory' | 'fifo';

/** One member of a tar, with PAX and GNU extensions applied. */
export interface TarEntry {
  readonly type: TarType;
  /** As it stands in the archive: may be absolute or hold `..`. */
  readonly name: ByteString;
  /** Target of a hard or symbolic link; empty otherwise. */
  readonly linkName: ByteString;
  /** Permissions with set-id and sticky bits, 0 to 0o7777. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Length of the file in bytes; for a sparse file the length with its holes. 0 for all but files. */
  readonly size: number;
  /** Seconds since the epoch, may be negative, and nanoseconds to add. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Device numbers. */
  readonly major: number;
  readonly minor: number;
  /** Extended attributes by name. */
  readonly xattrs: ReadonlyMap<ByteString, Uint8Array>;
  /** For a sparse file: where the stored bytes belong, in order. The rest are zeros. */
  readonly sparse?: readonly SparsePiece[];
}

export interface SparsePiece {
  readonly offset: number;
  readonly length: number;
}

/** Size of a tar block in bytes. */
export const BLOCK = 512;

/** Length of the zeros that fill the last block of `size` bytes. */
export function paddingOf(size: number): number {
  const rest = size % BLOCK;
  return rest === 0 ? 0 : BLOCK - rest;
}
