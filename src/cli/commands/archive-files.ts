import {
  createReadStream,
  existsSync,
  openSync,
  renameSync,
  statSync,
  unlinkSync,
  write,
  writev,
} from 'node:fs';
import { dirname } from 'node:path';
import type { HttpResponse } from '../client/http.ts';
import type { CommandContext } from '../context.ts';
import { CommandFailure } from '../failure.ts';

/** A system's error in Go's words: `open /nope: no such file or directory`. */
export function openProblem(path: string, error: unknown): CommandFailure {
  const reasons: Record<string, string> = {
    ENOENT: 'no such file or directory',
    EACCES: 'permission denied',
    EISDIR: 'is a directory',
    ENOTDIR: 'not a directory',
  };
  const { code, message } = error as { code?: string; message?: string };
  return new CommandFailure(`open ${path}: ${reasons[code ?? ''] ?? message ?? String(error)}`);
}

/** The bytes of a file, for a request's body. Throws at once when it can't be opened. */
export function fileBody(path: string): AsyncIterable<Uint8Array> {
  try {
    if (statSync(path).isDirectory()) throw Object.assign(new Error(), { code: 'EISDIR' });
    const fd = openSync(path, 'r');
    return createReadStream('', { fd, highWaterMark: 256 * 1024 });
  } catch (error) {
    throw openProblem(path, error);
  }
}

/** The bytes of stdin, for a request's body. */
export function stdinBody(): AsyncIterable<Uint8Array> {
  return Bun.stdin.stream() as unknown as AsyncIterable<Uint8Array>;
}

/**
 * Writes an answer's body to a file or to stdout. A file appears under its name only when it is whole; a terminal
 * is refused, since an archive would garble it.
 */
export async function saveBody(
  context: CommandContext,
  output: string,
  verb: string,
  request: () => Promise<Pick<HttpResponse, 'body'>>,
): Promise<void> {
  if (output === '') {
    if (process.stdout.isTTY) {
      throw new CommandFailure('cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    for await (const chunk of (await request()).body) context.console.out(chunk);
    return;
  }
  checkOutput(output, verb);
  const special = isSpecial(output);
  const partial = special ? output : `${output}.partial-${process.pid}`;
  let fd: number;
  try {
    fd = openSync(partial, 'w', 0o600);
  } catch (error) {
    throw new CommandFailure(`failed to ${verb}: invalid output path: ${openProblem(output, error).message}`);
  }
  try {
    await writeBody(fd, (await request()).body);
    if (!special) renameSync(partial, output);
  } catch (error) {
    if (!special) unlinkSync(partial);
    throw error;
  }
}

/** Bytes, and pieces (writev(2) takes 1,024), that are collected for one write. */
const BATCH = 1024 * 1024;
const BATCH_PIECES = 512;

/**
 * Writes a body to a descriptor. Another thread writes one batch while this one reads the next: taking turns, the two
 * took twice as long for an image of 300 MB.
 */
async function writeBody(fd: number, body: AsyncIterable<Uint8Array>): Promise<void> {
  let batch: Uint8Array[] = [];
  let size = 0;
  let writing = Promise.resolve();
  for await (const chunk of body) {
    batch.push(chunk);
    size += chunk.length;
    if (size < BATCH && batch.length < BATCH_PIECES) continue;
    await writing;
    writing = writeChunks(fd, batch);
    // Looked at before the next batch; until then nobody else hears of it.
    writing.catch(() => {});
    batch = [];
    size = 0;
  }
  await writing;
  if (batch.length > 0) await writeChunks(fd, batch);
}

/** Writes all of `chunks`, in order. */
async function writeChunks(fd: number, chunks: readonly Uint8Array[]): Promise<void> {
  let written = await new Promise<number>((resolve, reject) => {
    writev(fd, chunks, null, (error, count) => (error === null ? resolve(count) : reject(error)));
  });
  for (const chunk of chunks) {
    if (written >= chunk.length) {
      written -= chunk.length;
      continue;
    }
    for (let at = written; at < chunk.length; ) at += await writePart(fd, chunk, at);
    written = 0;
  }
}

function writePart(fd: number, chunk: Uint8Array, at: number): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, chunk, at, chunk.length - at, null, (error, count) =>
      error === null ? resolve(count) : reject(error),
    );
  });
}

/** Refuses what an archive would destroy or cannot be written to, in docker's words. */
function checkOutput(path: string, verb: string): void {
  const refuse = (reason: string): CommandFailure => new CommandFailure(`failed to ${verb}: ${reason}`);
  const folder = dirname(path);
  if (!existsSync(folder)) throw refuse(`invalid output path: stat ${folder}: no such file or directory`);
  const status = statSync(path, { throwIfNoEntry: false });
  if (status?.isDirectory()) throw refuse('cannot write to a directory');
  if (status?.isBlockDevice()) throw refuse('cannot write to a block device file');
  if (status?.isSocket()) throw refuse('cannot write to a socket');
}

/** True for a device or pipe such as /dev/null, which cannot be replaced by renaming. */
function isSpecial(path: string): boolean {
  try {
    return !statSync(path).isFile();
  } catch {
    return false;
  }
}
