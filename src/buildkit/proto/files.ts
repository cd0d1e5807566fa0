import { big64, blob, field, int64, map, message, nested, text, uint32 } from './message.ts';

/** `fsutil.types`: a tree of files between two sides that each have one. */

export const Stat = message({
  path: field(1, text),
  /** Go's file mode: the bits in go-mode.ts. */
  mode: field(2, uint32),
  uid: field(3, uint32),
  gid: field(4, uint32),
  size: field(5, int64),
  /** Nanoseconds since the epoch. */
  modTime: field(6, big64),
  /** Target of a symbolic link; of a regular file: the path that it is a hard link of. */
  linkname: field(7, text),
  devMajor: field(8, int64),
  devMinor: field(9, int64),
  xattrs: map(10, blob),
});

export const PACKET = { stat: 0, request: 1, data: 2, finish: 3, error: 4 } as const;
export const Packet = message({
  type: field(1, uint32),
  stat: field(2, nested(Stat)),
  id: field(3, uint32),
  data: field(4, blob),
});
