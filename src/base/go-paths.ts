/*
 * Go's path/filepath on Linux and the few rules of Docker's on top of it: what a trailing slash or dot means is
 * decided by them, and node's `path` does not agree in all corners. Pure text.
 */

/** `filepath.Clean`: the shortest equivalent, by text alone. */
export function cleanPath(path: string): string {
  const absolute = path.startsWith('/');
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..') parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== '..') parts.pop();
    else if (!absolute) parts.push('..');
  }
  return `${absolute ? '/' : ''}${parts.join('/')}` || '.';
}

/** `filepath.Join`. */
export function joinPaths(...paths: readonly string[]): string {
  const given = paths.filter((path) => path !== '');
  return given.length === 0 ? '' : cleanPath(given.join('/'));
}

/** `filepath.Base`: the last component, `.` for nothing, `/` for the root. */
export function pathBase(path: string): string {
  if (path === '') return '.';
  const bare = path.replace(/\/+$/, '');
  return bare === '' ? '/' : bare.slice(bare.lastIndexOf('/') + 1);
}

/** `filepath.Dir`: all but the last component, cleaned. */
export function pathDirectory(path: string): string {
  return cleanPath(path.slice(0, path.lastIndexOf('/') + 1));
}

/** The last component is `.`: the directory's contents are meant. */
export function namesContents(path: string): boolean {
  return pathBase(path) === '.';
}

export function endsWithSlash(path: string): boolean {
  return path.endsWith('/');
}

/** It can only be a directory. */
export function assertsDirectory(path: string): boolean {
  return endsWithSlash(path) || namesContents(path);
}

/** A cleaned path with the trailing slash or dot that the original had: they mean something to a copy. */
export function keepTrailing(cleaned: string, original: string): string {
  let path = cleaned;
  if (!namesContents(path) && namesContents(original)) path = `${endsWithSlash(path) ? path : `${path}/`}.`;
  if (!endsWithSlash(path) && endsWithSlash(original)) path += '/';
  return path;
}

/** Directory and last component, where a trailing `.` is a component. */
export function splitPathEntry(path: string): { directory: string; base: string } {
  const cleaned = cleanPath(path);
  const whole = namesContents(path) ? `${cleaned}/.` : cleaned;
  return { directory: pathDirectory(whole), base: pathBase(whole) };
}
