/** What `X-Docker-Container-Path-Stat` holds, as JSON in base64. */
export interface ContainerPathStat {
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /** Bits of Go's os.FileMode. */
  readonly mode: number;
  /** RFC 3339 with nanoseconds. */
  readonly mtime: string;
  /** Where a link leads to in the end. */
  readonly linkTarget: string;
}

export const PATH_STAT_HEADER = 'X-Docker-Container-Path-Stat';

/** Bits of Go's os.FileMode above the permissions. */
export const GoMode = {
  DIRECTORY: 2 ** 31,
  LINK: 2 ** 27,
  DEVICE: 2 ** 26,
  PIPE: 2 ** 25,
  SOCKET: 2 ** 24,
  SETUID: 2 ** 23,
  SETGID: 2 ** 22,
  CHARACTER: 2 ** 21,
  STICKY: 2 ** 20,
} as const;

const TYPES: ReadonlyMap<number, number> = new Map([
  [0o040000, GoMode.DIRECTORY],
  [0o120000, GoMode.LINK],
  [0o060000, GoMode.DEVICE],
  [0o020000, GoMode.DEVICE + GoMode.CHARACTER],
  [0o010000, GoMode.PIPE],
  [0o140000, GoMode.SOCKET],
]);

/** A mode of inode(7) as Go's os.FileMode. */
export function toGoMode(mode: number): number {
  let result = (mode & 0o777) + (TYPES.get(mode & 0o170000) ?? 0);
  if ((mode & 0o4000) !== 0) result += GoMode.SETUID;
  if ((mode & 0o2000) !== 0) result += GoMode.SETGID;
  if ((mode & 0o1000) !== 0) result += GoMode.STICKY;
  return result;
}

/** True when a bit of os.FileMode is set; its highest is beyond what `&` can tell. */
export function hasGoMode(mode: number, bit: number): boolean {
  return Math.floor(mode / bit) % 2 === 1;
}
