import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { mount, unmount } from '../../../src/kernel/mount.ts';
import type { MountSpec, Snapshotter } from '../../../src/snapshots/snapshots.ts';
import { fsckEntry, layerEntries } from './erofs-peer.ts';
import { streamOfBytes, type TestMember, tarOf } from './tar-bytes.ts';

/** A snapshotter over a directory of its own, and what tests do with it. Everything goes away with `close`. */
export class SnapshotLab {
  readonly make: (root: string) => Snapshotter;
  readonly base: string;
  readonly snapshotter: Snapshotter;
  readonly #mounted: string[] = [];
  #counter = 0;

  constructor(name: string, make: (root: string) => Snapshotter) {
    this.make = make;
    this.base = mkdtempSync(`/tmp/tare-${name}-`);
    this.snapshotter = make(`${this.base}/store`);
  }

  unmountAll(): void {
    for (const target of this.#mounted.splice(0)) unmount(target);
  }

  /** Every index that tests wrote passes fsck.erofs. */
  async close(): Promise<void> {
    this.unmountAll();
    await this.snapshotter.close();
    if (this.snapshotter.name === 'erofs') {
      for (const entry of layerEntries(`${this.base}/store`)) await fsckEntry(entry);
    }
    rmSync(this.base, { recursive: true, force: true });
  }

  /** Stores a layer of these members; returns its diff id. */
  async apply(...members: TestMember[]): Promise<string> {
    return (await this.snapshotter.applyLayer(undefined, streamOfBytes(tarOf(...members)))).diffId;
  }

  /** Mounts at a new directory and returns it. */
  mountAll(specs: readonly MountSpec[]): string {
    const target = `${this.base}/m${this.#counter++}`;
    mkdirSync(target);
    for (const spec of specs) {
      mount(spec.type, spec.source, target + (spec.target && `/${spec.target}`), spec.options);
      this.#mounted.push(target);
    }
    return target;
  }

  /** Prepares and mounts a snapshot. */
  async snapshot(...layers: string[]): Promise<{ key: string; root: string }> {
    const key = `k${this.#counter++}`;
    await this.snapshotter.prepare(key, layers);
    return { key, root: this.mountAll(this.snapshotter.mounts(key)) };
  }

  async changes(key: string, hidden: string[] = []): Promise<string[]> {
    return (await this.snapshotter.changes(key, hidden)).map(({ kind, path }) => `${kind} ${path}`);
  }

  /** What applying `tar` throws; undefined when it works. */
  async failure(tar: Uint8Array, diffId?: string): Promise<unknown> {
    return this.snapshotter.applyLayer(diffId, streamOfBytes(tar)).then(
      () => undefined,
      (error: unknown) => error,
    );
  }
}
