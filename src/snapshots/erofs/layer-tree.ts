import { type ByteString, toText } from '../../archive/byte-string.ts';
import type { TarEntry } from '../../archive/tar-entry.ts';
import type { TarSink } from '../../archive/tar-parser.ts';
import { TareError } from '../../base/errors.ts';
import { componentsOf, joinPath, LayerPaths, parentOf } from '../apply/layer-paths.ts';
import { AUFS_PREFIX, isForbiddenXattr, OPAQUE_NAME, WHITEOUT_PREFIX } from '../apply/overlay-attributes.ts';
import { isKeepable } from './attributes.ts';
import { BLOCK } from './format.ts';
import { LayerNode } from './node.ts';
import { type SparseBlocks, SparseFile } from './sparse.ts';

/** Longest name of a directory entry in bytes (NAME_MAX). */
const NAME_LIMIT = 255;
/** Longest target of a symbolic link in bytes, without the NUL (PATH_MAX). */
const TARGET_LIMIT = 4095;

/**
 * A layer's tree, built in memory while its tar goes by; contents of files are only remembered by where they lie
 * in the tar. What a name means, what replaces what and what is refused is as in directories/tree-writer.ts.
 */
export class LayerTree implements TarSink {
  readonly root = new LayerNode('directory');
  readonly #paths = new LayerPaths();
  readonly #directories = new Map<ByteString, LayerNode>([['', this.root]]);
  /** Takes sparse files' contents that cannot be shown from the tar. */
  readonly #blocks: SparseBlocks;
  #sparse: SparseFile | undefined;
  /** The member whose contents come. */
  #open: LayerNode | undefined;
  /** Bytes of the tar so far. */
  #position = 0;
  /** Sum of the sizes of files in bytes. */
  size = 0;
  /** The layer hides everything below it. */
  opaqueRoot = false;
  /** Extended attributes that cannot be kept, as `name path`. */
  readonly lostXattrs = new Set<string>();

  constructor(blocks: SparseBlocks) {
    this.#blocks = blocks;
  }

  raw(bytes: Uint8Array): void {
    this.#position += bytes.byteLength;
  }

  data(bytes: Uint8Array): void {
    this.#position += bytes.byteLength;
    this.#sparse?.data(bytes);
  }

  endEntry(): void {
    if (this.#sparse !== undefined && this.#open !== undefined) this.#open.extents = this.#sparse.finish();
    this.#sparse = undefined;
    this.#open = undefined;
  }

  entry(entry: TarEntry): void {
    const components = componentsOf(entry.name, 'the name');
    const base = components.pop();
    if (base === undefined) {
      if (entry.type !== 'directory') throw corrupt(entry, 'it would replace the root directory');
      this.root.describe(entry, this.#xattrsOf(entry, ''));
      return;
    }
    if (base.length > NAME_LIMIT) throw corrupt(entry, 'its name is longer than 255 bytes');
    const parent = this.#paths.resolveDirectory(components, (path) => this.#makeParent(path, entry));
    if (base.startsWith(WHITEOUT_PREFIX)) this.#whiteout(parent, base, entry);
    else this.#create(parent, base, entry);
  }

  #directory(path: ByteString): LayerNode {
    const node = this.#directories.get(path);
    if (node === undefined) throw new TareError('internal', `no directory ${toText(path)} in the layer`);
    return node;
  }

  #childrenOf(path: ByteString): Map<ByteString, LayerNode> {
    return this.#directory(path).children ?? new Map();
  }

  #makeParent(path: ByteString, entry: TarEntry): void {
    const base = path.slice(path.lastIndexOf('/') + 1);
    if (base.length > NAME_LIMIT) throw corrupt(entry, 'a name in its path is longer than 255 bytes');
    const siblings = this.#childrenOf(parentOf(path));
    const before = siblings.get(base);
    if (before !== undefined && before.type !== 'whiteout') {
      throw corrupt(entry, `its parent "${toText(path)}" is no directory`);
    }
    const node = new LayerNode('directory');
    node.opaque = before !== undefined;
    siblings.set(base, node);
    this.#directories.set(path, node);
  }

  #whiteout(parent: ByteString, base: ByteString, entry: TarEntry): void {
    if (base === OPAQUE_NAME) {
      if (parent === '') this.opaqueRoot = true;
      else this.#directory(parent).opaque = true;
      return;
    }
    if (base.startsWith(AUFS_PREFIX)) return;
    const name = base.slice(WHITEOUT_PREFIX.length);
    if (name === '' || name === '.' || name === '..') throw corrupt(entry, 'it is no valid whiteout');
    const siblings = this.#childrenOf(parent);
    const before = siblings.get(name);
    if (before === undefined) siblings.set(name, new LayerNode('whiteout'));
    // A whiteout speaks of lower layers only: what this layer itself has at the name stays.
    else if (before.type === 'directory') before.opaque = true;
  }

  #create(parent: ByteString, base: ByteString, entry: TarEntry): void {
    const path = joinPath(parent, base);
    const siblings = this.#childrenOf(parent);
    const before = siblings.get(base);
    if (entry.type === 'link') {
      this.#link(path, base, siblings, entry);
      return;
    }
    if (entry.type === 'directory' && before?.type === 'directory') {
      before.describe(entry, this.#xattrsOf(entry, path));
      return;
    }
    const node = new LayerNode(entry.type);
    node.describe(entry, this.#xattrsOf(entry, path));
    if (before !== undefined) this.#forget(path, before);
    siblings.set(base, node);
    switch (entry.type) {
      case 'file':
        this.#beginFile(node, entry);
        break;
      case 'directory':
        node.opaque = before?.type === 'whiteout';
        this.#directories.set(path, node);
        this.#paths.directories.add(path);
        break;
      case 'symlink':
        if (entry.linkName === '' || entry.linkName.length > TARGET_LIMIT) {
          throw corrupt(entry, 'its target is empty or too long');
        }
        node.target = entry.linkName;
        this.#paths.links.set(path, entry.linkName);
        break;
      default:
        node.major = entry.major;
        node.minor = entry.minor;
    }
  }

  #beginFile(node: LayerNode, entry: TarEntry): void {
    node.size = entry.size;
    this.size += entry.size;
    this.#open = node;
    const block = this.#position / BLOCK;
    if (entry.sparse !== undefined) {
      this.#sparse = new SparseFile(entry.size, entry.sparse, block, this.#blocks);
    } else if (entry.size > 0) {
      node.extents = [{ offset: 0, length: entry.size, device: 1, block }];
    }
  }

  #link(path: ByteString, base: ByteString, siblings: Map<ByteString, LayerNode>, entry: TarEntry): void {
    const name = toText(entry.linkName);
    const components = componentsOf(entry.linkName, 'the hard link target');
    const targetBase = components.pop();
    if (targetBase === undefined) throw corrupt(entry, 'it is a hard link to the root directory');
    const targetParent = this.#paths.resolveDirectory(components, () => {
      throw corrupt(entry, `its hard link target "${name}" does not exist in the layer`);
    });
    const target = joinPath(targetParent, targetBase);
    if (target === path) return;
    const node = this.#childrenOf(targetParent).get(targetBase);
    if (node === undefined || node.type === 'directory' || node.type === 'whiteout') {
      throw corrupt(entry, `its hard link target "${name}" does not exist in the layer or is a directory`);
    }
    const before = siblings.get(base);
    if (before !== undefined) this.#forget(path, before);
    siblings.set(base, node);
    node.links++;
    if (node.type === 'symlink') this.#paths.links.set(path, node.target);
  }

  /** A later member takes the name. */
  #forget(path: ByteString, node: LayerNode): void {
    node.links--;
    this.#paths.forget(path);
    if (node.type !== 'directory') return;
    this.#directories.delete(path);
    const prefix = `${path}/`;
    for (const known of this.#directories.keys()) {
      if (known.startsWith(prefix)) this.#directories.delete(known);
    }
    const drop = (directory: LayerNode): void => {
      for (const child of directory.children?.values() ?? []) {
        child.links--;
        drop(child);
      }
    };
    drop(node);
  }

  #xattrsOf(entry: TarEntry, path: ByteString): ReadonlyMap<ByteString, Uint8Array> {
    if (entry.xattrs.size === 0) return entry.xattrs;
    const kept = new Map<ByteString, Uint8Array>();
    for (const [name, value] of entry.xattrs) {
      if (isForbiddenXattr(name)) continue;
      if (isKeepable(entry.type, name, value)) kept.set(name, value);
      else this.lose(name, path);
    }
    return kept;
  }

  lose(name: ByteString, path: ByteString): void {
    this.lostXattrs.add(`${toText(name)} ${toText(path)}`);
  }
}

function corrupt(entry: TarEntry, reason: string): TareError {
  return new TareError('corrupt', `invalid layer: the member "${toText(entry.name)}": ${reason}`);
}
