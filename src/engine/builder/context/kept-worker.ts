import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { FrameParser } from '../../../archive/context-frames.ts';
import { inGoWords } from '../../../archive/rooted/words.ts';
import { TareError } from '../../../base/errors.ts';
import { codeOf } from '../../../kernel/errno.ts';
import { FileType } from '../../../kernel/files.ts';
import {
  type FinishedTree,
  type FromKept,
  INDEX,
  type KeptHeader,
  type ToKept,
  TREE,
} from './kept-messages.ts';
import { type KeptEntry, KeptTree } from './kept-tree.ts';

/*
 * Makes one kept directory equal to its sender's, away from the main thread. Its index is away while anything may be
 * changed: a directory without one is thrown away.
 */

declare const self: Worker;

interface Open {
  readonly directory: string;
  readonly tree: KeptTree;
  readonly frames: FrameParser;
}

/** The index while its directory is in work. */
const HELD = 'index.held';

let open: Open | undefined;

function theOpen(): Open {
  if (open === undefined) throw new TareError('internal', 'no context is open');
  return open;
}

function begin(directory: string, boot: string): void {
  const tree = join(directory, TREE);
  const index = join(directory, INDEX);
  const old = readIndex(index, boot);
  if (old === undefined && existsSync(tree)) rmSync(tree, { recursive: true, force: true });
  // Away, but not gone: when nothing changes it comes back as it is.
  if (old === undefined) rmSync(index, { force: true });
  else renameSync(index, join(directory, HELD));
  mkdirSync(tree, { recursive: true, mode: 0o700 });
  const kept = new KeptTree(tree, old ?? [], BigInt(Date.now()) * 1_000_000n);
  const frames = new FrameParser({
    data: (at, bytes) => kept.data(at, bytes),
    end: (at, how) => kept.end(at, how),
  });
  open = { directory, tree: kept, frames };
}

/** Undefined when nothing is known about the directory. */
function readIndex(path: string, boot: string): KeptEntry[] | undefined {
  try {
    const [header = '', ...lines] = readFileSync(path, 'utf8').split('\n');
    if ((JSON.parse(header) as KeptHeader).boot !== boot) return undefined;
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as KeptEntry);
  } catch {
    return undefined;
  }
}

function close(header: KeptHeader): void {
  const { directory, tree } = theOpen();
  open = undefined;
  const { changed } = tree;
  tree.close();
  const held = join(directory, HELD);
  if (!changed && existsSync(held)) {
    const used = new Date(header.usedAt);
    utimesSync(held, used, used);
    renameSync(held, join(directory, INDEX));
    return;
  }
  const lines = [header, ...tree.entries()].map((line) => `${JSON.stringify(line)}\n`);
  const partial = join(directory, `${INDEX}.new`);
  writeFileSync(partial, lines.join(''));
  renameSync(partial, join(directory, INDEX));
  rmSync(held, { force: true });
}

function finished(tree: KeptTree): FinishedTree {
  const digests: Array<[string, string]> = [];
  let size = 0;
  for (const { entry, digest } of tree.entries()) {
    if ((entry.mode & FileType.MASK) !== FileType.FILE) continue;
    digests.push([entry.path, digest]);
    size += entry.size;
  }
  return { digests, size };
}

function perform(message: ToKept): (FromKept & { result: unknown })['result'] {
  switch (message.do) {
    case 'begin':
      begin(message.directory, message.boot);
      return null;
    case 'announce':
      for (const entry of message.entries) theOpen().tree.announce(entry);
      return null;
    case 'wanted':
      return theOpen().tree.wanted();
    case 'frames':
      theOpen().frames.push(message.piece);
      return null;
    case 'received':
      theOpen().frames.finish();
      return null;
    case 'write':
      theOpen().tree.data(message.index, message.piece);
      return null;
    case 'end':
      theOpen().tree.end(message.index, message.how);
      return null;
    case 'finish':
      theOpen().tree.finish();
      return finished(theOpen().tree);
    default:
      close(message.header);
      return null;
  }
}

self.onmessage = (event: MessageEvent<ToKept>): void => {
  try {
    self.postMessage({ result: perform(event.data) } as FromKept);
  } catch (error) {
    const { kind, message } = inGoWords(error);
    const code = codeOf(error);
    self.postMessage({ error: { kind, message, ...(code === undefined ? {} : { code }) } } as FromKept);
  }
};
