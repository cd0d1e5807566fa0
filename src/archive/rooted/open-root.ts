import { readFileSync } from 'node:fs';
import { TareError } from '../../base/errors.ts';
import { codeOf } from '../../kernel/errno.ts';
import { closeFile, FileType, makeDirectory, OpenFlag, openAt, statusOfFd } from '../../kernel/files.ts';
import { listMounts, mount } from '../../kernel/mount.ts';
import { openFd } from '../../kernel/namespaces.ts';
import { openAtRoot, OpenFlag as PathFlag } from '../../kernel/openat2.ts';
import { withPrivateMounts } from '../../kernel/private-mounts.ts';
import { baseOf, parentOf } from '../byte-paths.ts';
import { toByteString } from '../byte-string.ts';
import type { LivingRoot, MountedRoot, RootSource } from './rooted.ts';

/** A root that is open. */
export interface OpenRoot {
  /** Descriptor of the root directory. */
  readonly fd: number;
  /** Devices (`major:minor`) of file systems that are mounted in the root and do not belong to the tree. */
  readonly foreign: ReadonlySet<string>;
  readonly ids?: LivingRoot['ids'];
  close(): void;
}

/** Opens a root (rooted.ts). Throws `not-found` for a process that has ended, and what the system says. */
export function openRoot(source: RootSource): OpenRoot {
  return source.kind === 'living' ? openLiving(source) : openMounted(source);
}

const ROOT = PathFlag.PATH | PathFlag.DIRECTORY;

function openLiving(source: LivingRoot): OpenRoot {
  const { pid } = source;
  const gone = (cause?: unknown): TareError =>
    new TareError('not-found', `the process ${pid} has ended`, cause);
  let fd: number;
  try {
    fd = openFd(`/proc/${pid}/root`, ROOT);
  } catch (error) {
    throw gone(error);
  }
  try {
    const foreign = foreignDevices(pid, source.mountPoints);
    // Looked at last: what was opened before belongs to the process that still is the right one now.
    if (!readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(source.cgroup)) throw gone();
    return { fd, foreign, ids: source.ids, close: () => closeFile(fd) };
  } catch (error) {
    closeFile(fd);
    throw ['ENOENT', 'ESRCH'].includes(codeOf(error) ?? '') ? gone(error) : error;
  }
}

/** proc, sysfs, /dev and their like: endless or of the host, and no part of the container's files. */
function foreignDevices(pid: number, mountPoints: readonly string[]): Set<string> {
  const own = new Set<string>();
  const foreign = new Set<string>();
  for (const { target, device } of listMounts(pid)) {
    const belongs = target === '/' || mountPoints.some((at) => target === at || target.startsWith(`${at}/`));
    (belongs ? own : foreign).add(device);
  }
  return foreign.difference(own);
}

function openMounted(source: MountedRoot): OpenRoot {
  const { value: fd, keep } = withPrivateMounts(() => {
    for (const { type, source: from, options } of source.mounts) mount(type, from, source.at, options);
    const root = openFd(source.at, ROOT);
    try {
      for (const bind of source.binds) bindInto(root, bind);
      return root;
    } catch (error) {
      closeFile(root);
      throw error;
    }
  });
  return {
    fd,
    foreign: new Set(),
    close(): void {
      closeFile(fd);
      closeFile(keep);
    },
  };
}

function bindInto(root: number, bind: MountedRoot['binds'][number]): void {
  const target = openTarget(root, toByteString(bind.destination), bind.source);
  try {
    const at = `/proc/self/fd/${target}`;
    mount('', bind.source, at, [bind.recursive ? 'rbind' : 'bind']);
    // The mount that was made lies over the descriptor's, which leads below it: it is named by its path.
    if (!bind.readOnly) return;
    const over = openAtRoot(root, toByteString(bind.destination), PathFlag.PATH);
    try {
      mount('', '', `/proc/self/fd/${over}`, ['remount', 'bind', 'ro']);
    } finally {
      closeFile(over);
    }
  } finally {
    closeFile(target);
  }
}

/** A descriptor of a mount's target, which is made when it is missing. */
function openTarget(root: number, path: string, source: string): number {
  try {
    return openAtRoot(root, path, PathFlag.PATH);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
  const from = openFd(source, PathFlag.PATH);
  try {
    const isDirectory = (statusOfFd(from, source).mode & FileType.MASK) === FileType.DIRECTORY;
    makeTarget(root, path, isDirectory);
  } finally {
    closeFile(from);
  }
  return openAtRoot(root, path, PathFlag.PATH);
}

function makeTarget(root: number, path: string, isDirectory: boolean): void {
  const parent = parentOf(path);
  let directory: number;
  try {
    directory = openAtRoot(root, parent || '/', ROOT);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT' || parent === '') throw error;
    makeTarget(root, parent, true);
    directory = openAtRoot(root, parent, ROOT);
  }
  try {
    const at = `/proc/self/fd/${directory}/${baseOf(path)}`;
    if (isDirectory) makeDirectory(at, 0o755);
    else
      closeFile(openAt(directory, baseOf(path), OpenFlag.WRONLY | OpenFlag.CREAT | OpenFlag.NOFOLLOW, 0o755));
  } finally {
    closeFile(directory);
  }
}
