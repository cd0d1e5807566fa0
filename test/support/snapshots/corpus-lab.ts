import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { mount, unmount } from '../../../src/kernel/mount.ts';
import { erofsSnapshotter, overlaySnapshotter } from '../../../src/snapshots/open.ts';
import type { MountSpec, Snapshotter } from '../../../src/snapshots/snapshots.ts';
import { must } from '../command.ts';
import { erofs, fsckEntry, layerEntries } from './erofs-peer.ts';
import { describeTree } from './tree-listing.ts';

/**
 * Compares what both drivers make of an archive with what GNU tar makes of it. The trees and the directory driver's
 * store are on a tmpfs, which keeps all times and attributes; the EROFS store is on a disk, as it has to be.
 */
export class CorpusLab {
  readonly base = mkdtempSync('/tmp/tare-corpus-');
  /** A tmpfs, for trees and archives. */
  readonly memory = `${this.base}/memory`;
  readonly drivers: Readonly<Record<'erofs' | 'overlay', Snapshotter>>;
  readonly #mounted: string[] = [];
  #counter = 0;

  constructor() {
    mkdirSync(this.memory);
    mount('tmpfs', 'tmpfs', this.memory, ['size=4g']);
    this.drivers = {
      erofs: erofsSnapshotter(`${this.base}/erofs`),
      overlay: overlaySnapshotter(`${this.memory}/overlay`),
    };
  }

  async close(): Promise<void> {
    this.unmountAll();
    for (const driver of Object.values(this.drivers)) await driver.close();
    unmount(this.memory);
    rmSync(this.base, { recursive: true, force: true });
  }

  unmountAll(): void {
    for (const target of this.#mounted.splice(0).reverse()) unmount(target);
  }

  /** A path in memory that nothing has yet. */
  fresh(): string {
    return `${this.memory}/${this.#counter++}`;
  }

  mount(specs: readonly MountSpec[]): string {
    const target = `${this.base}/m${this.#counter++}`;
    mkdirSync(target);
    for (const { type, source, options } of specs) {
      mount(type, source, target, options);
      this.#mounted.push(target);
    }
    return target;
  }

  /** GNU tar's tree of an archive. */
  async extract(tar: string): Promise<string> {
    const target = this.fresh();
    mkdirSync(target);
    const flags = ['--xattrs', '--xattrs-include=*', '--numeric-owner', '--warning=no-timestamp'];
    await must(['tar', ...flags, '-xpf', tar, '-C', target]);
    return target;
  }

  /** Stores an archive and mounts it; the index is checked by fsck.erofs. */
  async view(driver: 'erofs' | 'overlay', tar: string): Promise<string> {
    const snapshotter = this.drivers[driver];
    const { diffId } = await snapshotter.applyLayer(undefined, Bun.file(tar).stream());
    if (driver === 'erofs') await fsckEntry(this.entryOf(diffId));
    return this.mount(snapshotter.viewMounts([diffId]));
  }

  /** An entry of the EROFS store. */
  entryOf(diffId: string): string {
    const name = diffId.slice(diffId.indexOf(':') + 1);
    const found = layerEntries(`${this.base}/erofs`).find((path) => path.endsWith(name));
    if (found === undefined) throw new Error(`no layer ${diffId}`);
    return found;
  }

  /** The tree of the index that mkfs.erofs makes over the same archive. */
  async peerView(tar: string): Promise<string> {
    // The kernel opens no device on a tmpfs.
    const index = `${this.base}/peer${this.#counter++}`;
    await must(['cp', tar, `${index}.tar`]);
    await erofs('mkfs.erofs', '--quiet', '--tar=i', index, `${index}.tar`);
    return this.mount([{ type: 'erofs', source: index, target: '', options: ['ro', `device=${index}.tar`] }]);
  }
}

/** What differs between two trees, some lines of each; empty when they are the same. */
export function treeDifferences(wanted: string, found: string): string[] {
  const a = describeTree(wanted);
  const b = describeTree(found);
  const [inA, inB] = [new Set(a), new Set(b)];
  return [
    ...a.filter((line) => !inB.has(line)).map((line) => `- ${line.slice(0, 400)}`),
    ...b.filter((line) => !inA.has(line)).map((line) => `+ ${line.slice(0, 400)}`),
  ].slice(0, 20);
}
