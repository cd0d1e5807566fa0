import { joinPath } from '../../archive/byte-paths.ts';
import { type ByteString, toText } from '../../archive/byte-string.ts';
import type { TarEntry } from '../../archive/tar-entry.ts';
import type { TarSink } from '../../archive/tar-parser.ts';
import { TareError } from '../../base/errors.ts';
import { componentsOf } from '../apply/layer-paths.ts';
import { checkFacts, checkName } from '../apply/member-limits.ts';
import { AUFS_PREFIX, isForbiddenXattr, OPAQUE_NAME, WHITEOUT_PREFIX } from '../apply/overlay-attributes.ts';
import { isKeepable } from './attributes.ts';
import { BLOCK } from './format.ts';
import { LayerNode } from './node.ts';
import { type SparseBlocks, SparseFile } from './sparse.ts';
import { TailBlock } from './tail-block.ts';
import { type Place, TreePaths } from './tree-paths.ts';

/**
 * A layer's tree, built in memory while its tar goes by; contents of files are only remembered by where they lie
 * in the tar. What a name means, what replaces what and what is refused is as in directories/tree-writer.ts.
 */
export class LayerTree implements TarSink {
  readonly root = new LayerNode('directory');
  readonly #paths = new TreePaths(this.root);
  /** Takes sparse files' contents that cannot be shown from the tar. */
  readonly #blocks: SparseBlocks;
  readonly #tail: TailBlock;
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
    this.#tail = new TailBlock(blocks);
  }

  raw(bytes: Uint8Array): void {
    this.#tail.raw(bytes);
    this.#position += bytes.byteLength;
  }

  data(bytes: Uint8Array): void {
    this.#position += bytes.byteLength;
    this.#sparse?.data(bytes);
    this.#tail.data(bytes);
  }

  endEntry(): void {
    if (this.#sparse !== undefined && this.#open !== undefined) this.#open.extents = this.#sparse.finish();
    this.#sparse = undefined;
    this.#open = undefined;
  }

  entry(entry: TarEntry): void {
    checkFacts(entry);
    this.#tail.begin(undefined);
    const components = componentsOf(entry.name, 'the name');
    const base = components.pop();
    if (base === undefined) {
      if (entry.type !== 'directory') throw corrupt(entry, 'it would replace the root directory');
      this.root.describe(entry, this.#xattrsOf(entry, ''));
      return;
    }
    const parent = this.#paths.directory(components, (at, name) => makeParent(at, name, entry));
    checkName(parent.path, base, entry);
    if (base.startsWith(WHITEOUT_PREFIX)) this.#whiteout(parent.node, base, entry);
    else this.#create(parent, base, entry);
  }

  #whiteout(parent: LayerNode, base: ByteString, entry: TarEntry): void {
    if (base === OPAQUE_NAME) {
      if (parent === this.root) this.opaqueRoot = true;
      else parent.opaque = true;
      return;
    }
    if (base.startsWith(AUFS_PREFIX)) return;
    const name = base.slice(WHITEOUT_PREFIX.length);
    if (name === '' || name === '.' || name === '..') throw corrupt(entry, 'it is no valid whiteout');
    const siblings = parent.entries;
    const before = siblings.get(name);
    if (before === undefined) siblings.set(name, new LayerNode('whiteout'));
    // A whiteout speaks of lower layers only: what this layer itself has at the name stays.
    else if (before.type === 'directory') before.opaque = true;
  }

  #create(parent: Place, base: ByteString, entry: TarEntry): void {
    const siblings = parent.node.entries;
    const before = siblings.get(base);
    if (entry.type === 'link') {
      this.#link(parent, base, entry);
      return;
    }
    const xattrs = this.#xattrsOf(entry, joinPath(parent.path, base));
    if (entry.type === 'directory' && before?.type === 'directory') {
      before.describe(entry, xattrs);
      return;
    }
    const node = new LayerNode(entry.type);
    node.describe(entry, xattrs);
    if (before !== undefined) this.#forget(before);
    siblings.set(base, node);
    switch (entry.type) {
      case 'file':
        this.#beginFile(node, entry);
        break;
      case 'directory':
        node.opaque = before?.type === 'whiteout';
        break;
      case 'symlink':
        node.target = entry.linkName;
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
    this.#tail.begin(node);
    const block = this.#position / BLOCK;
    if (entry.sparse !== undefined) {
      this.#sparse = new SparseFile(entry.size, entry.sparse, block, this.#blocks);
    } else if (entry.size > 0) {
      node.tarBlock = block;
    }
  }

  #link(parent: Place, base: ByteString, entry: TarEntry): void {
    const missing = (): TareError =>
      corrupt(
        entry,
        `its hard link target "${toText(entry.linkName)}" does not exist in the layer or is a directory`,
      );
    const components = componentsOf(entry.linkName, 'the hard link target');
    const targetBase = components.pop();
    if (targetBase === undefined) throw corrupt(entry, 'it is a hard link to the root directory');
    const target = this.#paths.directory(components, () => {
      throw missing();
    });
    if (target.node === parent.node && targetBase === base) return;
    const node = target.node.entries.get(targetBase);
    if (node === undefined || node.type === 'directory' || node.type === 'whiteout') throw missing();
    // A link that takes the place of a directory on its target's way takes the target away.
    if (`${target.path}/`.startsWith(`${joinPath(parent.path, base)}/`)) throw missing();
    const siblings = parent.node.entries;
    const before = siblings.get(base);
    if (before !== undefined) this.#forget(before);
    siblings.set(base, node);
    node.links++;
  }

  /** A later member takes the name. */
  #forget(node: LayerNode): void {
    node.links--;
    this.#paths.changed();
    if (node.type !== 'directory') return;
    const todo = [node];
    for (let next = todo.pop(); next !== undefined; next = todo.pop()) {
      for (const child of next.entries.values()) {
        child.links--;
        if (child.type === 'directory') todo.push(child);
      }
    }
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

/** Makes a directory that no member names, or finds what is in its way. */
function makeParent(at: Place, name: ByteString, entry: TarEntry): LayerNode {
  checkName(at.path, name, entry);
  const before = at.node.entries.get(name);
  if (before !== undefined && before.type !== 'whiteout') {
    throw corrupt(entry, `its parent "${toText(joinPath(at.path, name))}" is no directory`);
  }
  const node = new LayerNode('directory');
  node.opaque = before !== undefined;
  at.node.entries.set(name, node);
  return node;
}

function corrupt(entry: TarEntry, reason: string): TareError {
  return new TareError('corrupt', `invalid layer: the member "${toText(entry.name)}": ${reason}`);
}
