import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { TarParser } from '../../archive/tar-parser.ts';
import { isKind, messageOf } from '../../base/errors.ts';
import { codeOf } from '../../kernel/errno.ts';
import { memoryFile } from '../../kernel/files.ts';
import { IndexWriter } from './index-writer.ts';
import { LayerTree } from './layer-tree.ts';
import { SparseBlocks } from './sparse.ts';

/*
 * Writes an index once more from its tar and compares it with the one that is kept: a large layer's takes seconds, so
 * it is done away from the main thread. One request, one reply.
 */

export interface VerifyRequest {
  readonly diffId: string;
  /** Paths of the layer's two files. */
  readonly index: string;
  readonly tar: string;
}

/** `failure`: it could not be compared; `corrupt` when one of the two is missing or no layer's. */
export type VerifyReply =
  | { readonly same: boolean }
  | { readonly failure: string; readonly corrupt: boolean };

declare const self: Worker;

/** Bytes that are read and compared at once. */
const PIECE = 1024 * 1024;

self.onmessage = (event: MessageEvent<VerifyRequest>): void => {
  const { diffId, index, tar } = event.data;
  const made = memoryFile('tare-index');
  try {
    writeIndex(made, diffId, tar);
    self.postMessage({ same: isSame(made, index) } satisfies VerifyReply);
  } catch (error) {
    const corrupt = isKind(error, 'corrupt', 'invalid') || codeOf(error) === 'ENOENT';
    const reply: VerifyReply = { failure: messageOf(error), corrupt };
    self.postMessage(reply);
  } finally {
    closeSync(made);
  }
};

function writeIndex(fd: number, diffId: string, path: string): void {
  const blocks = new SparseBlocks(fd);
  const tree = new LayerTree(blocks);
  const parser = new TarParser(tree);
  let tarSize = 0;
  const tar = openSync(path, 'r');
  try {
    for (;;) {
      // The parser may keep views of what it is given.
      const piece = new Uint8Array(PIECE);
      const count = readSync(tar, piece);
      if (count === 0) break;
      parser.push(piece.subarray(0, count));
      tarSize += count;
    }
  } finally {
    closeSync(tar);
  }
  parser.end();
  const uuid = Buffer.from(diffId.slice(diffId.indexOf(':') + 1), 'hex');
  new IndexWriter(fd, blocks.flush(), () => {}).write(tree.root, uuid, tarSize);
}

function isSame(made: number, path: string): boolean {
  const kept = openSync(path, 'r');
  try {
    const { size } = fstatSync(made);
    let same = fstatSync(kept).size === size;
    const one = new Uint8Array(PIECE);
    const other = new Uint8Array(PIECE);
    for (let at = 0; same && at < size; at += PIECE) {
      const count = readSync(made, one, 0, PIECE, at);
      same = readSync(kept, other, 0, PIECE, at) === count && Buffer.compare(one, other) === 0;
    }
    return same;
  } finally {
    closeSync(kept);
  }
}
