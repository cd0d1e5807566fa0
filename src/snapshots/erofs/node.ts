import type { ByteString } from '../../archive/byte-string.ts';
import type { TarEntry, TarType } from '../../archive/tar-entry.ts';
import { TareError } from '../../base/errors.ts';

/** `whiteout`: hides the name in the layers below. */
export type NodeType = Exclude<TarType, 'link'> | 'whiteout';

/** A piece of a file's contents: `length` bytes at `offset`, from block `block` of a device on. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
  /** 0: the index file itself, 1: the tar. */
  readonly device: number;
  readonly block: number;
}

/** One inode of a layer. There may be hundreds of thousands: what most do not have is shared. */
export class LayerNode {
  readonly type: NodeType;
  mode = 0o755;
  uid = 0;
  gid = 0;
  seconds = 0;
  nanoseconds = 0;
  /** Length of a file. */
  size = 0;
  /** Number of names; of a directory without `.` and `..`. */
  links = 1;
  major = 0;
  minor = 0;
  target: ByteString = '';
  xattrs: ReadonlyMap<ByteString, Uint8Array> = NO_XATTRS;
  /** Where a sparse file's contents are, by rising offset; what is in no extent is zeros. */
  extents: readonly Extent[] = NO_EXTENTS;
  /** Block of the tar from which on a plain file's contents lie there as a whole; -1: `extents` tells. */
  tarBlock = -1;
  /** Of a directory. */
  readonly children: Map<ByteString, LayerNode> | undefined;
  opaque = false;
  /** Where the index writer puts it: bytes from the start of the file, and the first block of its own. */
  offset = -1;
  block = 0;

  constructor(type: NodeType) {
    this.type = type;
    this.children = type === 'directory' ? new Map() : undefined;
  }

  /** A directory's children. */
  get entries(): Map<ByteString, LayerNode> {
    if (this.children === undefined) throw new TareError('internal', `a ${this.type} has no children`);
    return this.children;
  }

  /** Takes mode, owner, time and attributes over. */
  describe(entry: TarEntry, xattrs: ReadonlyMap<ByteString, Uint8Array>): void {
    this.mode = entry.type === 'symlink' ? 0o777 : entry.mode;
    this.uid = entry.uid;
    this.gid = entry.gid;
    this.seconds = entry.seconds;
    this.nanoseconds = entry.nanoseconds;
    this.xattrs = xattrs;
  }
}

const NO_EXTENTS: readonly Extent[] = [];
const NO_XATTRS: ReadonlyMap<ByteString, Uint8Array> = new Map();

/** Where a file's contents are. */
export function extentsOf(node: LayerNode): readonly Extent[] {
  if (node.tarBlock < 0) return node.extents;
  return [{ offset: 0, length: node.size, device: 1, block: node.tarBlock }];
}
