import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { TarParser } from '../../archive/tar-parser.ts';
import { TareError } from '../../base/errors.ts';
import { Breath } from '../../base/streams.ts';
import { memoryFile } from '../../kernel/files.ts';
import { IndexWriter } from './index-writer.ts';
import { LayerTree } from './layer-tree.ts';
import { SparseBlocks } from './sparse.ts';

/** Bytes that are compared at once. */
const PIECE = 1024 * 1024;

/**
 * Checks an index against its tar: an index follows from the tar and the diff id alone, so it is written once more
 * and compared: in memory, for the disk may be full. Throws `corrupt`.
 */
export async function verifyIndex(
  diffId: string,
  index: string,
  tar: AsyncIterable<Uint8Array>,
): Promise<void> {
  const fd = memoryFile('tare-index');
  try {
    await writeIndex(fd, diffId, tar);
    const kept = openSync(index, 'r');
    try {
      await compare(diffId, fd, kept);
    } finally {
      closeSync(kept);
    }
  } finally {
    closeSync(fd);
  }
}

async function writeIndex(fd: number, diffId: string, tar: AsyncIterable<Uint8Array>): Promise<void> {
  const blocks = new SparseBlocks(fd);
  const tree = new LayerTree(blocks);
  const parser = new TarParser(tree);
  const breath = new Breath();
  let tarSize = 0;
  for await (const chunk of tar) {
    parser.push(chunk);
    tarSize += chunk.byteLength;
    await breath.take();
  }
  parser.end();
  const uuid = Buffer.from(diffId.slice(diffId.indexOf(':') + 1), 'hex');
  new IndexWriter(fd, blocks.flush(), () => {}).write(tree.root, uuid, tarSize);
}

async function compare(diffId: string, made: number, kept: number): Promise<void> {
  const size = fstatSync(made).size;
  const breath = new Breath();
  const one = new Uint8Array(PIECE);
  const other = new Uint8Array(PIECE);
  let same = fstatSync(kept).size === size;
  for (let at = 0; same && at < size; at += PIECE) {
    const count = readSync(made, one, 0, PIECE, at);
    same = readSync(kept, other, 0, PIECE, at) === count && Buffer.compare(one, other) === 0;
    await breath.take();
  }
  if (!same) throw new TareError('corrupt', `the index of the layer ${diffId} is not the one of its tar`);
}
