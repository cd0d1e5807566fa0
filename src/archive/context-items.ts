import type { PathMatch, PathPatterns } from '../base/path-patterns.ts';
import { FileType } from '../kernel/files.ts';
import { type ByteString, toText } from './byte-string.ts';
import { type TreeItem, walkTree } from './tree-walk.ts';

/** A file that is sent though it does not lie in the directory, or has other contents there. */
export interface AddedFile {
  readonly name: string;
  readonly content: Uint8Array;
  /** Seconds since the epoch. */
  readonly seconds: number;
}

export interface ContextOptions {
  /** Path of the directory. */
  readonly root: string;
  /** What stays out. */
  readonly excluded: PathPatterns;
  /** Paths that are sent all the same. */
  readonly always: readonly string[];
  /** Sent first; files of the directory with their names are not. */
  readonly added: readonly AddedFile[];
}

/** A directory on the way down that is not sent yet. */
interface Passed<T> {
  readonly path: ByteString;
  readonly match: PathMatch;
  /** What describes it when it stays out by itself; undefined once it is sent. */
  described: T | undefined;
}

export interface Selected<T> {
  readonly item: TreeItem;
  /** Sent in place of the item: a directory whose turn it was before. */
  readonly passed?: T;
}

/**
 * What of a directory belongs to a context, in the walk's order; all of it root's. A directory that stays out by itself
 * comes when something below it does, as `describe` told of it when its turn was.
 */
export function* selectedItems<T>(
  options: ContextOptions,
  describe: (directory: TreeItem) => T | undefined,
): Generator<Selected<T>> {
  const { excluded } = options;
  const always = new Set(options.always);
  const added = new Set(options.added.map((file) => file.name));
  const leadsToAlways = (path: string): boolean => options.always.some((one) => one.startsWith(`${path}/`));
  /** The directories that hold the current item. */
  const above: Passed<T>[] = [];
  let descends = true;
  for (const found of walkTree(options.root, () => descends)) {
    descends = true;
    if (found.path === '') continue;
    while (above.length > 0 && !found.path.startsWith(`${above.at(-1)!.path}/`)) above.pop();
    const path = toText(found.path);
    const item = { ...found, status: { ...found.status, uid: 0, gid: 0 } };
    const isDirectory = (item.status.mode & FileType.MASK) === FileType.DIRECTORY;
    const match = excluded.match(path, above.at(-1)?.match ?? NOTHING);
    const out = (match.matched && !always.has(path)) || (!isDirectory && added.has(path));
    if (isDirectory) {
      descends = !out || excluded.mayExceptBelow(path) || leadsToAlways(path);
      if (descends) above.push({ path: item.path, match, described: out ? describe(item) : undefined });
    }
    if (out) continue;
    for (const passed of above) {
      if (passed.described !== undefined) yield { item, passed: passed.described };
      passed.described = undefined;
    }
    yield { item };
  }
}

/** The context's own directory matches nothing. */
const NOTHING: PathMatch = { matched: false, by: [] };
