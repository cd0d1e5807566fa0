/*
 * File modes as Go has them: permissions in the same nine bits, the rest elsewhere.
 */
const GO = {
  directory: 0x8000_0000,
  symlink: 0x0800_0000,
  device: 0x0400_0000,
  fifo: 0x0200_0000,
  socket: 0x0100_0000,
  setuid: 0x0080_0000,
  setgid: 0x0040_0000,
  character: 0x0020_0000,
  sticky: 0x0010_0000,
} as const;
const TYPES = GO.directory | GO.symlink | GO.device | GO.fifo | GO.socket | GO.character;

/** Of inode(7). */
export const UNIX = {
  mask: 0o170000,
  directory: 0o040000,
  file: 0o100000,
  symlink: 0o120000,
  character: 0o020000,
  block: 0o060000,
  fifo: 0o010000,
  socket: 0o140000,
} as const;

const has = (mode: number, bit: number): boolean => (mode & bit) !== 0;

export function isRegular(mode: number): boolean {
  return !has(mode, TYPES);
}

/** Type and permissions as inode(7) has them. */
export function unixMode(mode: number): number {
  const special = (has(mode, GO.setuid) ? 0o4000 : 0) | (has(mode, GO.setgid) ? 0o2000 : 0);
  const permissions = (mode & 0o777) | special | (has(mode, GO.sticky) ? 0o1000 : 0);
  if (has(mode, GO.directory)) return UNIX.directory | permissions;
  if (has(mode, GO.symlink)) return UNIX.symlink | permissions;
  if (has(mode, GO.fifo)) return UNIX.fifo | permissions;
  if (has(mode, GO.socket)) return UNIX.socket | permissions;
  if (has(mode, GO.device)) return (has(mode, GO.character) ? UNIX.character : UNIX.block) | permissions;
  return UNIX.file | permissions;
}

const GO_TYPE: Readonly<Record<number, number>> = {
  [UNIX.directory]: GO.directory,
  [UNIX.symlink]: GO.symlink,
  [UNIX.fifo]: GO.fifo,
  [UNIX.socket]: GO.socket,
  [UNIX.character]: GO.device | GO.character,
  [UNIX.block]: GO.device,
};

/** Go's mode of one of inode(7), unsigned. */
export function goMode(mode: number): number {
  const type = GO_TYPE[mode & UNIX.mask] ?? 0;
  const special =
    (has(mode, 0o4000) ? GO.setuid : 0) |
    (has(mode, 0o2000) ? GO.setgid : 0) |
    (has(mode, 0o1000) ? GO.sticky : 0);
  return (type | special | (mode & 0o777)) >>> 0;
}
