import { type ByteString, toByteString } from '../../archive/byte-string.ts';
import { type TreeItem, walkTree } from '../../archive/tree-walk.ts';
import { type FileStatus, FileType } from '../../kernel/files.ts';
import { getXattr, listXattrs } from '../../kernel/xattr.ts';
import { isWhiteout, OVERLAY_XATTR_PREFIX } from '../apply/overlay-attributes.ts';
import { isOpaque, LowerView } from './lower-view.ts';

/** One thing in an upper directory, compared with the layers below. */
export interface SnapshotItem {
  readonly kind: 'A' | 'C' | 'D';
  readonly item: TreeItem;
  /** A directory that is no change by itself: it counts only when something below it does. */
  readonly passive: boolean;
  /** For an opaque directory over a lower one: the names that the lower one shows. */
  readonly replaced: readonly ByteString[] | undefined;
}

/**
 * Walks an upper directory and tells what each thing in it means against the lower trees (topmost first).
 * `hidden` are absolute paths at which the runtime made mount points: an empty file or directory there is no
 * change, nor are the directories made on the way, nor a directory's new time because of it.
 */
export function* walkSnapshot(
  upper: string,
  lowers: readonly string[],
  hidden: readonly string[],
): Generator<SnapshotItem> {
  const view = new LowerView(lowers.map(toByteString));
  const mountPoints = new MountPoints(hidden);
  for (const item of walkTree(upper)) {
    if (item.path === '') continue;
    const { status, path } = item;
    const lower = view.lookup(path);
    if (isWhiteout(status)) {
      if (lower.status !== undefined) yield { kind: 'D', item, passive: false, replaced: undefined };
      continue;
    }
    const kind = lower.status === undefined ? 'A' : 'C';
    if ((status.mode & FileType.MASK) !== FileType.DIRECTORY) {
      const isMountPoint = kind === 'A' && status.size === 0 && mountPoints.isAt(path);
      if (!isMountPoint) yield { kind, item, passive: false, replaced: undefined };
      continue;
    }
    let replaced: ByteString[] | undefined;
    const real = `/proc/self/fd/${item.directory}/${item.base}`;
    if (isOpaque(real)) {
      if (lower.directories.length > 0) replaced = view.names(lower.directories);
      view.hide(path);
    } else if (lower.directories.length === 0) {
      view.hide(path);
    }
    const onTheWay = mountPoints.isAtOrAbove(path);
    const isSame =
      kind === 'A'
        ? onTheWay
        : sameDirectory(status, lower.status, onTheWay) && sameAttributes(real, lower.directories[0]);
    const passive = replaced === undefined && isSame;
    yield { kind, item, passive, replaced };
  }
}

class MountPoints {
  readonly #at = new Set<ByteString>();
  readonly #atOrAbove = new Set<ByteString>();

  constructor(paths: readonly string[]) {
    for (const path of paths) {
      const parts = toByteString(path).split('/').filter(Boolean);
      this.#at.add(parts.join('/'));
      for (let i = 1; i <= parts.length; i++) this.#atOrAbove.add(parts.slice(0, i).join('/'));
    }
  }

  isAt(path: ByteString): boolean {
    return this.#at.has(path);
  }

  isAtOrAbove(path: ByteString): boolean {
    return this.#atOrAbove.has(path);
  }
}

/** A copied-up directory keeps its time until something in it changes. */
function sameDirectory(upper: FileStatus, lower: FileStatus | undefined, ignoreTime: boolean): boolean {
  return (
    lower !== undefined &&
    upper.mode === lower.mode &&
    upper.uid === lower.uid &&
    upper.gid === lower.gid &&
    (ignoreTime || (upper.seconds === lower.seconds && upper.nanoseconds === lower.nanoseconds))
  );
}

function sameAttributes(upper: string, lower: string | undefined): boolean {
  return attributesOf(upper) === (lower === undefined ? '' : attributesOf(lower));
}

/** A directory's extended attributes but for those of overlayfs itself, to be compared. */
function attributesOf(path: string): string {
  const names = listXattrs(path).filter((name) => !name.startsWith(OVERLAY_XATTR_PREFIX));
  return names.map((name) => `${name}=${Buffer.from(getXattr(path, name) ?? []).toString('hex')}`).join();
}
