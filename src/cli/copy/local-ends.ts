import { lstatSync, readlinkSync, realpathSync, type Stats, statSync } from 'node:fs';
import {
  cleanPath,
  endsWithSlash,
  joinPaths,
  keepTrailing,
  namesContents,
  pathBase,
  splitPathEntry,
} from '../../base/go-paths.ts';
import { CommandFailure } from '../failure.ts';
import type { CopyEnd } from './copy-rules.ts';

/** As Go's: more links than that are a loop. */
const LINKS_LIMIT = 10;

const WORDS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  ENOTDIR: 'not a directory',
  EACCES: 'permission denied',
  ELOOP: 'too many levels of symbolic links',
  ENAMETOOLONG: 'file name too long',
};

/** A failed call in Go's words: `lstat /x: no such file or directory`. */
function problem(call: string, path: string, error: unknown): CommandFailure {
  const { code, message } = error as { code?: string; message?: string };
  return new CommandFailure(`${call} ${path}: ${WORDS[code ?? ''] ?? message ?? String(error)}`);
}

/** A local path made absolute, with its trailing slash or dot. */
export function absoluteLocal(path: string): string {
  return keepTrailing(path.startsWith('/') ? cleanPath(path) : joinPaths(process.cwd(), path), path);
}

/**
 * The source of a copy. Links on the way are followed; the last one only with `followLink`, or when a slash or dot
 * follows it. @throws CommandFailure when there is nothing.
 */
export function localSource(path: string, followLink: boolean): CopyEnd {
  const { resolved, rebaseName } = followLink ? followedSource(path) : unfollowedSource(path);
  const status = lstat(resolved);
  return {
    path: resolved,
    exists: true,
    isDirectory: status.isDirectory(),
    ...(rebaseName === '' ? {} : { rebaseName }),
  };
}

function lstat(path: string): Stats {
  try {
    return lstatSync(path);
  } catch (error) {
    throw problem('lstat', path, error);
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    throw problem('lstat', brokenAt(cleanPath(path)), error);
  }
}

/** The path that a chain of links ends at, for a message. */
function brokenAt(path: string): string {
  let at = path;
  for (let followed = 0; followed <= LINKS_LIMIT; followed++) {
    if (!lstatSync(at, { throwIfNoEntry: false })?.isSymbolicLink()) return at;
    const target = readlinkSync(at);
    at = target.startsWith('/') ? target : joinPaths(splitPathEntry(at).directory, target);
  }
  return at;
}

interface ResolvedSource {
  readonly resolved: string;
  readonly rebaseName: string;
}

function followedSource(path: string): ResolvedSource {
  return rebased(path, realPath(path));
}

function unfollowedSource(path: string): ResolvedSource {
  const slash = path.lastIndexOf('/');
  const parent = realPath(path.slice(0, slash + 1));
  if (!statSync(parent).isDirectory()) throw new CommandFailure('not a directory');
  const resolved = `${parent}/${path.slice(slash + 1)}`;
  const changed = endsWithSlash(path) && pathBase(path) !== pathBase(resolved);
  return { resolved, rebaseName: changed ? pathBase(path) : '' };
}

/** A link's target with what followed the link's name, and the name it went by when that is another. */
export function rebased(path: string, target: string): ResolvedSource {
  let resolved = target;
  if (namesContents(path) && !namesContents(resolved)) resolved += '/.';
  if (endsWithSlash(path) && !endsWithSlash(resolved)) resolved += '/';
  return { resolved, rebaseName: pathBase(path) === pathBase(resolved) ? '' : pathBase(path) };
}

/**
 * The target of a copy; links are followed to the end, which need not exist as long as its directory does.
 * @throws CommandFailure in docker's words.
 */
export function localTarget(given: string): CopyEnd {
  let path = given;
  for (let followed = 0; followed <= LINKS_LIMIT; followed++) {
    const status = lstatOrNothing(path);
    if (status === undefined) return newTarget(path);
    if (!status.isSymbolicLink()) return { path, exists: true, isDirectory: status.isDirectory() };
    const target = readlinkSync(path.replace(/\/+$/, ''));
    path = target.startsWith('/') ? target : joinPaths(splitPathEntry(path).directory, target);
  }
  throw new CommandFailure(`too many symlinks in ${given}`);
}

function lstatOrNothing(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw problem('lstat', path, error);
  }
}

function newTarget(path: string): CopyEnd {
  const { directory } = splitPathEntry(path);
  let parent: Stats;
  try {
    parent = statSync(directory);
  } catch (error) {
    throw problem('stat', directory, error);
  }
  if (!parent.isDirectory()) throw new CommandFailure('not a directory');
  return { path, exists: false, isDirectory: false };
}

/** Refuses a place that nothing can be put in, in docker's words. */
export function checkLocalTarget(path: string): void {
  const { directory } = splitPathEntry(cleanPath(path));
  if (statSync(directory, { throwIfNoEntry: false }) === undefined) {
    throw new CommandFailure(`invalid output path: directory ${JSON.stringify(directory)} does not exist`);
  }
  let status: Stats | undefined;
  try {
    status = statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    throw problem('stat', path, error);
  }
  if (status?.isBlockDevice() || status?.isCharacterDevice()) {
    throw new CommandFailure(
      `invalid output path: ${JSON.stringify(path)} must be a directory or a regular file: got a device`,
    );
  }
}
