/** Something in the sender's directory. Names are byte strings: each character one byte. */
export interface ContextEntry {
  /** Relative, without `.`, `..` and slashes at the ends. */
  readonly path: string;
  /** Type and permissions, inode(7). Sockets cannot be announced. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  /** Bytes of a regular file. */
  readonly size: number;
  /** Of the last change of the contents: seconds and nanoseconds since the epoch. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** What else tells a changed file from an unchanged one, such as inode and change time; may be empty. */
  readonly mark: string;
  /** Target of a symbolic link. */
  readonly link: string;
  /** Of a device. */
  readonly major: number;
  readonly minor: number;
  /** Extended attributes; values in base64. */
  readonly xattrs?: Readonly<Record<string, string>>;
}

/**
 * - `complete`: all bytes were written.
 * - `changed`: the same, but the file changed while it was read: asked for again the next time.
 * - `same`: it has the contents that the wanted file's digest names.
 * - `gone`: it does not exist any more.
 */
export type FileEnd = 'complete' | 'changed' | 'same' | 'gone';
