import { joinPath } from '../../archive/byte-paths.ts';
import { type ByteString, toText } from '../../archive/byte-string.ts';
import { Breath } from '../../base/streams.ts';
import type { Change } from '../snapshots.ts';
import { type SnapshotItem, walkSnapshot } from './walk-snapshot.ts';

/** What an upper directory changed against its lower trees (topmost first), sorted by path. */
export async function snapshotChanges(
  upper: string,
  lowers: readonly string[],
  hidden: readonly string[],
): Promise<Change[]> {
  const breath = new Breath();
  const found: Array<{ kind: Change['kind']; path: ByteString }> = [];
  const pending = new PendingDirectories<SnapshotItem>();
  const replaced = new Map<ByteString, readonly ByteString[]>();
  const kept = new Set<ByteString>();
  for (const change of walkSnapshot(upper, lowers, hidden)) {
    if (breath.due) await breath.take();
    const { path } = change.item;
    const waiting = pending.enter(path, change.passive ? change : undefined);
    for (const parent of waiting) found.push({ kind: parent.kind, path: parent.item.path });
    if (change.passive) continue;
    if (change.replaced !== undefined) replaced.set(path, change.replaced);
    // A name of a replaced directory that is there again has changed; it was not added.
    const parentNames = replaced.get(path.slice(0, Math.max(0, path.lastIndexOf('/'))));
    const isAgain = change.kind === 'A' && parentNames?.includes(path.slice(path.lastIndexOf('/') + 1));
    if (isAgain) kept.add(path);
    found.push({ kind: isAgain ? 'C' : change.kind, path });
  }
  for (const [directory, names] of replaced) {
    for (const name of names) {
      const path = joinPath(directory, name);
      if (!kept.has(path)) found.push({ kind: 'D', path });
    }
  }
  found.sort((a, b) => (a.path < b.path ? -1 : 1));
  return found.map(({ kind, path }) => ({ kind, path: `/${toText(path)}` }));
}

/** Directories that wait, on the way down, for something below them that makes them count. */
export class PendingDirectories<T> {
  #stack: Array<{ path: ByteString; value: T }> = [];

  /**
   * The walk is at `path`. With `passive`, the directory waits and nothing is returned; otherwise the waiting
   * directories above `path` are returned, top first, and wait no more.
   */
  enter(path: ByteString, passive: T | undefined): T[] {
    this.#stack = this.#stack.filter((entry) => path.startsWith(`${entry.path}/`));
    if (passive !== undefined) {
      this.#stack.push({ path, value: passive });
      return [];
    }
    return this.#stack.splice(0).map((entry) => entry.value);
  }
}
