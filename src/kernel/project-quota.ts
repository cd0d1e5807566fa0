import { Errno, SyscallError } from './errno.ts';
import { check, libc, syscall } from './ffi.ts';
import { closeFd, openFd } from './namespaces.ts';

/*
 * Limits of directories by project quotas (ext4 and xfs that are mounted with prjquota). A directory has a project
 * id that what is made in it inherits; the file system counts the blocks of each id.
 */

/** linux/fs.h: _IOR('X', 31, struct fsxattr), _IOW('X', 32, struct fsxattr); 28 bytes. */
const FS_IOC_FSGETXATTR = 0x801c581fn;
const FS_IOC_FSSETXATTR = 0x401c5820n;
const FSXATTR_SIZE = 28;
const XFLAG_PROJINHERIT = 0x200;
/** Offsets in struct fsxattr. */
const XFLAGS = 0;
const PROJID = 12;

/** linux/quota.h: QCMD(Q_XSETQLIM, PRJQUOTA). */
const Q_XSETQLIM = 0x5804;
const PRJQUOTA = 2;
const SET_PROJECT_LIMIT = (Q_XSETQLIM << 8) | PRJQUOTA;
/** struct fs_disk_quota, linux/dqblk_xfs.h. */
const DISK_QUOTA_SIZE = 112;
const FIELDS_BLOCKS = 0x4 | 0x8; // soft and hard limit of blocks

/** The project of a directory; 0: none. Throws a SyscallError. */
export function projectOf(directory: string): number {
  return withDirectory(directory, (fd) => readAttributes(fd, directory).readUInt32LE(PROJID));
}

/**
 * Limits what is stored in an empty directory to `bytes` and makes it project `id`. Returns false where the file
 * system has no project quotas. Throws a SyscallError for other faults.
 */
export function limitDirectory(directory: string, id: number, bytes: number): boolean {
  return withDirectory(directory, (fd) => {
    try {
      const attributes = readAttributes(fd, directory);
      attributes.writeUInt32LE(attributes.readUInt32LE(XFLAGS) | XFLAG_PROJINHERIT, XFLAGS);
      attributes.writeUInt32LE(id, PROJID);
      check(libc.ioctl(fd, FS_IOC_FSSETXATTR, attributes), 'FS_IOC_FSSETXATTR', directory);
      const quota = Buffer.alloc(DISK_QUOTA_SIZE);
      quota.writeInt8(1, 0); // d_version
      quota.writeInt8(2, 1); // d_flags: FS_PROJ_QUOTA
      quota.writeUInt16LE(FIELDS_BLOCKS, 2);
      quota.writeUInt32LE(id, 4);
      const blocks = BigInt(Math.ceil(bytes / 512));
      quota.writeBigUInt64LE(blocks, 8); // d_blk_hardlimit
      quota.writeBigUInt64LE(blocks, 16); // d_blk_softlimit
      syscall('quotactl_fd', directory, fd, SET_PROJECT_LIMIT, id, quota);
      return true;
    } catch (error) {
      if (error instanceof SyscallError && NO_QUOTAS.includes(error.errno)) return false;
      throw error;
    }
  });
}

const ENOTTY = 25;
/** How kernels and file systems without them say so. */
const NO_QUOTAS: readonly number[] = [
  ENOTTY,
  Errno.ENOSYS,
  Errno.EOPNOTSUPP,
  Errno.ESRCH,
  Errno.EINVAL,
  Errno.EPERM,
];

function readAttributes(fd: number, directory: string): Buffer {
  const attributes = Buffer.alloc(FSXATTR_SIZE);
  check(libc.ioctl(fd, FS_IOC_FSGETXATTR, attributes), 'FS_IOC_FSGETXATTR', directory);
  return attributes;
}

function withDirectory<T>(directory: string, body: (fd: number) => T): T {
  const O_DIRECTORY = 0o200000;
  const fd = openFd(directory, O_DIRECTORY);
  try {
    return body(fd);
  } finally {
    closeFd(fd);
  }
}
