import { Errno, SyscallError } from './errno.ts';
import { check, cstr, libc, syscall } from './ffi.ts';
import { OpenFlag } from './files.ts';

/*
 * Two ways to mount an overlay whose options do not fit into the page that mount(2) takes: 127 layers need one at
 * 32 bytes each. Both throw a SyscallError.
 */

const FSCONFIG = { SET_FLAG: 0, SET_STRING: 1, CMD_CREATE: 6 } as const;
const LOWERDIR = 'lowerdir=';
const O_PATH = 0o10000000;

/**
 * By fsopen and fsconfig, lower directories one by one (`lowerdir+`). `attributes`: those of fsmount(2). False, with
 * nothing done, on a kernel before 6.5, which does not know the option.
 */
export function mountOneByOne(
  type: string,
  source: string,
  target: string,
  attributes: number,
  data: readonly string[],
): boolean {
  let fs = -1;
  let mounted = -1;
  try {
    fs = openFileSystem(type);
    if (fs < 0) return false;
    const set = (key: string, value: string): void => {
      syscall('fsconfig', `${key}=${value}`, fs, FSCONFIG.SET_STRING, cstr(key), cstr(value), 0);
    };
    if (source) set('source', source);
    for (const option of data) {
      const equals = option.indexOf('=');
      const key = option.slice(0, equals);
      const value = option.slice(equals + 1);
      if (equals < 0) syscall('fsconfig', option, fs, FSCONFIG.SET_FLAG, cstr(option), null, 0);
      else if (key !== 'lowerdir') set(key, value);
      else if (!addLowers(value.split(':'), set)) return false;
    }
    syscall('fsconfig', 'create', fs, FSCONFIG.CMD_CREATE, null, null, 0);
    mounted = syscall('fsmount', target, fs, 1 /* FSMOUNT_CLOEXEC */, attributes);
    const AT_FDCWD = -100;
    syscall('move_mount', target, mounted, cstr(''), AT_FDCWD, cstr(target), 4 /* MOVE_MOUNT_F_EMPTY_PATH */);
    return true;
  } finally {
    if (mounted >= 0) libc.close(mounted);
    if (fs >= 0) libc.close(fs);
  }
}

/** -1 on a kernel before 5.2. */
function openFileSystem(type: string): number {
  try {
    return syscall('fsopen', type, cstr(type), 1 /* FSOPEN_CLOEXEC */);
  } catch (error) {
    if (error instanceof SyscallError && error.errno === Errno.ENOSYS) return -1;
    throw error;
  }
}

/** False when the kernel does not know the first one's option: any other refusal comes with a later one, or at the end. */
function addLowers(lowers: readonly string[], set: (key: string, value: string) => void): boolean {
  for (const [index, lower] of lowers.entries()) {
    try {
      set('lowerdir+', lower);
    } catch (error) {
      if (index === 0 && error instanceof SyscallError && error.errno === Errno.EINVAL) return false;
      throw error;
    }
  }
  return true;
}

/**
 * Opens the lower directories and names them by their descriptors, 18 bytes each: over 200 fit into a page, however
 * long the data root's path is. They stay open while `use` runs. overlayfs looks names up once, at the mount.
 */
export function withShortLowers(data: readonly string[], use: (options: string) => void): void {
  const opened: number[] = [];
  const short = (path: string): string => {
    const flags = O_PATH | OpenFlag.DIRECTORY | OpenFlag.CLOEXEC;
    const fd = check(libc.open(cstr(path), flags, 0), 'open', path);
    opened.push(fd);
    return `/proc/self/fd/${fd}`;
  };
  try {
    const options = data.map((option) =>
      option.startsWith(LOWERDIR)
        ? LOWERDIR + option.slice(LOWERDIR.length).split(':').map(short).join(':')
        : option,
    );
    use(options.join(','));
  } finally {
    for (const fd of opened) libc.close(fd);
  }
}
