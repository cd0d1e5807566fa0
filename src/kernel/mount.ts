import { readFileSync } from 'node:fs';
import { Errno, SyscallError } from './errno.ts';
import { check, cstr, libc } from './ffi.ts';
import { mountOneByOne, withShortLowers } from './long-mount.ts';

/** Mount flags, include/uapi/linux/mount.h. */
export const MountFlag = {
  RDONLY: 0x1,
  NOSUID: 0x2,
  NODEV: 0x4,
  NOEXEC: 0x8,
  SYNCHRONOUS: 0x10,
  REMOUNT: 0x20,
  MANDLOCK: 0x40,
  DIRSYNC: 0x80,
  NOATIME: 0x400,
  NODIRATIME: 0x800,
  BIND: 0x1000,
  REC: 0x4000,
  RELATIME: 0x200000,
  STRICTATIME: 0x1000000,
} as const;

const FLAG_OPTIONS: Readonly<Record<string, number>> = {
  ro: MountFlag.RDONLY,
  nosuid: MountFlag.NOSUID,
  nodev: MountFlag.NODEV,
  noexec: MountFlag.NOEXEC,
  sync: MountFlag.SYNCHRONOUS,
  dirsync: MountFlag.DIRSYNC,
  mand: MountFlag.MANDLOCK,
  noatime: MountFlag.NOATIME,
  nodiratime: MountFlag.NODIRATIME,
  relatime: MountFlag.RELATIME,
  strictatime: MountFlag.STRICTATIME,
  remount: MountFlag.REMOUNT,
  bind: MountFlag.BIND,
  rbind: MountFlag.BIND | MountFlag.REC,
  // The opposites, which mount(2) has by leaving the flag away.
  rw: 0,
  suid: 0,
  dev: 0,
  exec: 0,
  async: 0,
  nomand: 0,
  atime: 0,
  diratime: 0,
  norelatime: 0,
  nostrictatime: 0,
  defaults: 0,
};

/** mount(2) takes one page of options. */
const PAGE = 4096;

/** What fsmount(2) calls the flags that it takes. */
const MOUNT_ATTR: ReadonlyArray<readonly [number, number]> = [
  [MountFlag.RDONLY, 0x1],
  [MountFlag.NOSUID, 0x2],
  [MountFlag.NODEV, 0x4],
  [MountFlag.NOEXEC, 0x8],
];

/**
 * Mounts as mount(8) would with these options, without its loop devices and helpers. Options longer than a page
 * (overlays with many layers) go another way: see long-mount.ts. Throws a SyscallError.
 */
export function mount(type: string, source: string, target: string, options: readonly string[]): void {
  let flags = 0;
  const data: string[] = [];
  for (const option of options) {
    const flag = FLAG_OPTIONS[option];
    if (flag === undefined) data.push(option);
    else flags |= flag;
  }
  const text = data.join(',');
  if (Buffer.byteLength(text) >= PAGE) {
    mountLong(type, source, target, flags, data);
    return;
  }
  mountPage(type, source, target, flags, text);
}

function mountLong(
  type: string,
  source: string,
  target: string,
  flags: number,
  data: readonly string[],
): void {
  let attributes = 0;
  for (const [flag, attribute] of MOUNT_ATTR) if (flags & flag) attributes |= attribute;
  if (mountOneByOne(type, source, target, attributes, data)) return;
  withShortLowers(data, (short) => mountPage(type, source, target, flags, short));
}

function mountPage(type: string, source: string, target: string, flags: number, text: string): void {
  const result = libc.mount(
    cstr(source),
    cstr(target),
    type ? cstr(type) : null,
    BigInt(flags),
    text ? cstr(text) : null,
  );
  check(result, `mount ${type || 'bind'} on`, target);
}

/**
 * Takes the topmost mount at `target` away; lazily when it is busy, so that it vanishes with its last user.
 * Nothing mounted there (or no such path) is fine.
 */
export function unmount(target: string): void {
  const UMOUNT_NOFOLLOW = 8;
  const MNT_DETACH = 2;
  try {
    check(libc.umount2(cstr(target), UMOUNT_NOFOLLOW), 'umount', target);
  } catch (error) {
    if (!(error instanceof SyscallError)) throw error;
    if (error.errno === Errno.EINVAL || error.errno === Errno.ENOENT) return;
    if (error.errno !== Errno.EBUSY) throw error;
    check(libc.umount2(cstr(target), UMOUNT_NOFOLLOW | MNT_DETACH), 'umount', target);
  }
}

/** One line of /proc/self/mountinfo (proc(5)). */
export interface MountInfo {
  readonly id: number;
  /** Of the file system, `major:minor`. */
  readonly device: string;
  readonly root: string;
  readonly target: string;
  readonly type: string;
  readonly source: string;
  readonly options: string;
  /** `shared:1`, `master:2`, `propagate_from:3`, `unbindable`; empty: private. */
  readonly propagation: string;
  readonly superOptions: string;
}

/** The mounts of this process's namespace (or of `pid`'s). */
export function listMounts(pid: number | 'self' = 'self'): MountInfo[] {
  const decode = (text: string): string =>
    text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
  const result: MountInfo[] = [];
  for (const line of readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n')) {
    const [left, right] = line.split(' - ');
    if (left === undefined || right === undefined) continue;
    const fields = left.split(' ');
    const [type = '', source = '', superOptions = ''] = right.split(' ');
    result.push({
      id: Number(fields[0]),
      device: fields[2] ?? '',
      root: decode(fields[3] ?? ''),
      target: decode(fields[4] ?? ''),
      options: fields[5] ?? '',
      propagation: fields.slice(6).join(' '),
      type,
      source: decode(source),
      superOptions,
    });
  }
  return result;
}

/** True when something is mounted exactly at `target`. */
export function isMountPoint(target: string): boolean {
  return listMounts().some((entry) => entry.target === target);
}
