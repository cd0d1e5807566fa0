import type { ContextEntry, FileEnd } from '../../../archive/context-entry.ts';

/**
 * Contexts that stay with the daemon, so that of the next build from the same place only what has changed travels.
 *
 * - A *key* names the place that a context comes from: machine and path, or what else its sender calls it by. For each
 *   key there is a *kept directory*; two builds of one key at the same time have one each, and both stay.
 * - A *sync* makes a kept directory equal to its sender's. The sender announces every *entry*, a directory before what
 *   it holds; what is not announced goes away. The answer is what is *wanted*: the files whose size, times or inode
 *   are others than those of the last sync. For a file of the old size it has the digest of the old contents: whoever
 *   finds the same in the new ones says `same` and sends nothing.
 * - From `finish` until `release` nobody changes the directory. The digest of each file is known then, computed once,
 *   while the file came in.
 *
 * What a crash leaves half done is thrown away whole, and so is what an earlier boot of the machine left: nothing here
 * waits for the disk. What is not in use is removed, oldest first, when all together take more than their limit.
 *
 * Example: `const sync = await kept.begin('host:/src/app')`, then `await sync.announce(entries)`,
 * `for (const { index } of await sync.wanted()) { await sync.write(index, bytes); await sync.end(index, 'complete') }`,
 * `const { path, digestOf } = await sync.finish()`, and when the build is over `await sync.release()`.
 */
export interface KeptContexts {
  /** Takes a kept directory of a key, a new one when there is none that is free. */
  begin(key: string): Promise<ContextSync>;
  /** What is kept. */
  list(): KeptContextRecord[];
  /** Removes a kept directory unless it is in use. Returns the bytes that it had; 0 when nothing was done. */
  remove(id: string): Promise<number>;
  /** Removes what a crash left. Before the first `begin`. */
  sweep(): Promise<void>;
  close(): void;
}

/** One sync, and then the lease on its directory. Calls follow each other but for `write` and `end`. */
export interface ContextSync {
  /** Throws `invalid` for a path that is absolute, leads out, or lies in something that is no directory. */
  announce(entries: readonly ContextEntry[]): Promise<void>;
  /** After the last entry. By the entries' positions, from 0, in the order in which they were announced. */
  wanted(): Promise<WantedFile[]>;
  /** The next bytes of a wanted file; several may be under way. Waits while the disk does not keep up. */
  write(index: number, bytes: Uint8Array): Promise<void>;
  /** How a wanted file went. */
  end(index: number, how: FileEnd): Promise<void>;
  /** `write` and `end` for all wanted files from a stream of frames (context-frames.ts). */
  receive(frames: ReadableStream<Uint8Array>): Promise<void>;
  /** Throws `invalid` when a wanted file has not come. */
  finish(): Promise<KeptContext>;
  /** Lets go of the directory, at any time. Idempotent. */
  release(): Promise<void>;
}

export interface KeptContext {
  /** The directory on the host. */
  readonly path: string;
  /** Hex SHA-256 of a regular file's contents by its path below the directory; undefined for anything else. */
  digestOf(path: string): string | undefined;
}

export interface WantedFile {
  readonly index: number;
  /** Hex SHA-256 of what is kept, when it may still be the contents; empty: send it in any case. */
  readonly digest: string;
}

export interface KeptContextRecord {
  readonly id: string;
  readonly key: string;
  /** Bytes of its files. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly usedAt: number;
  readonly inUse: boolean;
}
