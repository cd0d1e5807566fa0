import { fstatSync, type Stats } from 'node:fs';
import { posix } from 'node:path';
import { SyscallError } from '../../kernel/errno.ts';
import { closeFd } from '../../kernel/namespaces.ts';
import { OpenFlag, openInRoot } from '../../kernel/openat2.ts';
import type { OciProcess } from '../spec/oci-spec.ts';

function statInRoot(root: string, path: string): Stats | undefined {
  let fd: number;
  try {
    fd = openInRoot(root, path, OpenFlag.PATH);
  } catch (error) {
    if (error instanceof SyscallError) return undefined;
    throw error;
  }
  try {
    return fstatSync(fd);
  } finally {
    closeFd(fd);
  }
}

/**
 * Why crun could not execute a process, in crun's words, where it gave none: of an exec with a terminal it tells
 * the terminal, which conmon then closes. `root` is the container's root as seen from outside (`/proc/PID/root`).
 */
export function diagnose(root: string, process: OciProcess): string {
  const directory = statInRoot(root, process.cwd);
  if (!directory) return `chdir \`${process.cwd}\`: No such file or directory`;
  if (!directory.isDirectory()) return `chdir \`${process.cwd}\`: Not a directory`;
  const program = process.args[0] ?? '';
  const path = process.env.findLast((entry) => entry.startsWith('PATH='))?.slice(5) ?? '/usr/bin:/bin';
  const candidates = program.includes('/')
    ? [posix.resolve(process.cwd, program)]
    : path.split(':').map((prefix) => posix.resolve(process.cwd, prefix, program));
  for (const candidate of program === '' ? [] : candidates) {
    const stat = statInRoot(root, candidate);
    if (!stat) continue;
    if (stat.isDirectory()) return 'open executable: Operation not permitted';
    return 'open executable: Permission denied';
  }
  return `executable file \`${program}\` not found in $PATH: No such file or directory`;
}
