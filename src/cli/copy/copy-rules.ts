import { assertsDirectory, splitPathEntry } from '../../base/go-paths.ts';
import { CommandFailure } from '../failure.ts';

/** One end of a copy. */
export interface CopyEnd {
  readonly path: string;
  readonly exists: boolean;
  readonly isDirectory: boolean;
  /** For a source: the name that its archive's members are to have, when it is not that of the path. */
  readonly rebaseName?: string;
}

/** Where an archive is to be extracted, and under what name what it holds. */
export interface CopyPlan {
  /** Directory to extract in, with the trailing slash or dot it was given with. */
  readonly directory: string;
  /** Members' first component and what it becomes; undefined: as it is. */
  readonly rename: { readonly from: string; readonly to: string } | undefined;
}

/**
 * Docker's rules of what `cp SOURCE TARGET` makes: into a directory that is there; a file under another name; a new
 * directory with the source's contents.
 * @throws CommandFailure in docker's words for what cannot be.
 */
export function planCopy(source: CopyEnd, target: CopyEnd): CopyPlan {
  if (target.exists && target.isDirectory) return { directory: target.path, rename: undefined };
  if (target.exists && source.isDirectory) throw new CommandFailure('cannot copy directory');
  if (!target.exists && !source.isDirectory && assertsDirectory(target.path)) {
    throw new CommandFailure('no such directory');
  }
  const { directory, base: to } = splitPathEntry(target.path);
  const from = source.rebaseName ?? splitPathEntry(source.path).base;
  return { directory, rename: { from, to } };
}

/** A member's name with its first component replaced; the root's members begin with a slash. */
export function renameMember(name: string, rename: CopyPlan['rename']): string {
  if (rename === undefined) return name;
  const from = rename.from === '/' ? '' : rename.from;
  return name.startsWith(from) ? rename.to + name.slice(from.length) : name;
}

/** `CONTAINER:PATH`, or a local path: one that begins with `/` or `.`, or has no colon. */
export function splitCopyArgument(argument: string): { container: string; path: string } {
  const colon = argument.indexOf(':');
  const isLocal = argument.startsWith('/') || argument.startsWith('.') || colon < 0;
  if (isLocal) return { container: '', path: argument };
  return { container: argument.slice(0, colon), path: argument.slice(colon + 1) };
}
