import { accessSync, constants, existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf } from '../../kernel/errno.ts';

/**
 * Says what is wrong when crun cannot make a cgroup: it names the directory and, where a parent could not be made
 * either, "No such file or directory", which clients take for a program that is not there. Undefined for other words.
 */
export function cgroupWords(
  words: string,
  readOnly: (path: string) => boolean = isReadOnly,
): string | undefined {
  const [, path, why] = /^creating cgroup directory `(.*)`: (.*)$/s.exec(words) ?? [];
  if (path === undefined) return undefined;
  if (readOnly(path)) {
    return `cannot make the cgroup ${path}: read-only file system; mount the cgroup hierarchy writable and try again`;
  }
  return `cannot make the cgroup ${path}${/no such file/i.test(why ?? '') ? '' : `: ${why}`}`;
}

/** Whether the nearest directory that exists is on a file system that is mounted read-only. */
function isReadOnly(path: string): boolean {
  let place = path;
  while (!existsSync(place) && place !== '/') place = dirname(place);
  try {
    accessSync(place, constants.W_OK);
    return false;
  } catch (error) {
    return codeOf(error) === 'EROFS';
  }
}
