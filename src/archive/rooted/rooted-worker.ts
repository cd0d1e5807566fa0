import { TareError } from '../../base/errors.ts';
import { codeOf } from '../../kernel/errno.ts';
import { closeFile, FileType, statusOfFd } from '../../kernel/files.ts';
import { OpenFlag, openAtRoot } from '../../kernel/openat2.ts';
import { outsideId } from '../../kernel/user-namespace.ts';
import { toByteString } from '../byte-string.ts';
import { decompressed } from '../compression.ts';
import { TarParser } from '../tar-parser.ts';
import { Directories } from './directories.ts';
import { type FromRooted, type RootedCall, type ToRooted, WINDOW } from './messages.ts';
import { type OpenRoot, openRoot } from './open-root.ts';
import { packPath } from './pack.ts';
import { PieceQueue } from './piece-queue.ts';
import { absolutePath, openPath, pathStatus, statPath, truePath } from './resolve.ts';
import type { UnpackOptions } from './rooted.ts';
import { Unpacker } from './unpacker.ts';
import { inGoWords } from './words.ts';

/*
 * Looks into a root, packs and unpacks, away from the main thread. One root at a time, one call at a time.
 */

declare const self: Worker;

let root: OpenRoot | undefined;
/** The directory that was entered. */
let entered: { readonly fd: number; readonly path: string } | undefined;
/** The pieces of the tar that is being unpacked. */
let incoming: PieceQueue | undefined;
/** How many more pieces may be sent; undefined: nothing is packed. */
let credit: { left: number; wake: () => void; aborted: boolean } | undefined;

function reply(message: FromRooted, transfer: Bun.Transferable[] = []): void {
  self.postMessage(message, transfer);
}

function fail(error: unknown): void {
  const { kind, message } = inGoWords(error);
  const code = codeOf(error);
  reply({ error: { kind, message, ...(code === undefined ? {} : { code }) } });
}

function theRoot(): OpenRoot {
  if (root === undefined) throw new TareError('internal', 'no root is open');
  return root;
}

async function perform(call: RootedCall): Promise<void> {
  switch (call.do) {
    case 'open':
      root = openRoot(call.root);
      return reply({ result: `/proc/self/fd/${root.fd}` });
    case 'stat':
      return reply({ result: statPath(theRoot(), absolutePath(call.path)) });
    case 'enter':
      return reply({ result: enter(theRoot(), call.path) });
    case 'pack':
      return await pack(theRoot(), absolutePath(call.path));
    case 'unpack':
      return await unpack(theRoot(), call.options);
    default:
      close();
      return reply({ result: null });
  }
}

function close(): void {
  if (entered !== undefined) closeFile(entered.fd);
  entered = undefined;
  root?.close();
  root = undefined;
}

function enter(where: OpenRoot, path: string): string {
  const absolute = absolutePath(path);
  const fd = openPath(where, absolute, 0);
  try {
    if ((statusOfFd(fd, path).mode & FileType.MASK) !== FileType.DIRECTORY) {
      throw new TareError('invalid', 'extraction point is not a directory');
    }
    const real = truePath(where, absolute);
    if (entered !== undefined) closeFile(entered.fd);
    entered = { fd, path: real };
    return real;
  } catch (error) {
    closeFile(fd);
    throw error;
  }
}

async function pack(where: OpenRoot, path: string): Promise<void> {
  const { status, tar } = packPath(where, path);
  const mine = { left: WINDOW, wake: (): void => {}, aborted: false };
  credit = mine;
  try {
    reply({ result: pathStatus(where, path, status) });
    for await (const piece of tar) {
      while (mine.left === 0 && !mine.aborted) {
        await new Promise<void>((resolve) => {
          mine.wake = resolve;
        });
      }
      if (mine.aborted) throw new TareError('cancelled', 'the copy was given up');
      mine.left--;
      reply({ piece }, [piece.buffer as ArrayBuffer]);
    }
    reply({ packed: true });
  } finally {
    await tar.return(undefined);
    credit = undefined;
  }
}

async function unpack(where: OpenRoot, options: UnpackOptions): Promise<void> {
  if (entered === undefined) throw new TareError('internal', 'no directory was entered');
  const { fd, path } = entered;
  const queue = new PieceQueue(() => reply({ ack: true }));
  incoming = queue;
  const through = (below: string): number =>
    openAtRoot(where.fd, `${toByteString(path)}/${below}`, OpenFlag.PATH | OpenFlag.DIRECTORY);
  const directories = new Directories(fd, through);
  const { owner, keepKinds } = options;
  const ownerOf = (entry: { uid: number; gid: number }): { uid: number; gid: number } => {
    const inside = owner ?? entry;
    if (where.ids === undefined) return inside;
    return { uid: outsideId(where.ids.uids, inside.uid), gid: outsideId(where.ids.gids, inside.gid) };
  };
  const unpacker = new Unpacker(directories, { destination: path, keepKinds, ownerOf });
  const parser = new TarParser(unpacker, { bareEnd: true });
  try {
    for await (const piece of decompressed(queue)) parser.push(piece);
    parser.end();
    unpacker.finish();
  } catch (error) {
    unpacker.abandon();
    throw error;
  } finally {
    incoming = undefined;
    directories.close();
  }
  reply({ result: null });
}

self.onmessage = (event: MessageEvent<ToRooted>): void => {
  const message = event.data;
  if ('call' in message) perform(message.call).catch(fail);
  else if ('piece' in message) incoming?.add(message.piece);
  else if ('end' in message) incoming?.end();
  else if ('more' in message) {
    if (credit === undefined) return;
    credit.left++;
    credit.wake();
  } else {
    incoming?.fail(new TareError('cancelled', 'the copy was given up'));
    if (credit === undefined) return;
    credit.aborted = true;
    credit.wake();
  }
};
