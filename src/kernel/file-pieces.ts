import { open } from 'node:fs/promises';

/** Bytes that are read at once. */
const PIECE = 512 * 1024;

/**
 * A file's bytes; each piece has a buffer of its own. It is opened at the first read, and may be unlinked from then
 * on. Throws as `node:fs` does.
 */
export async function* filePieces(path: string): AsyncGenerator<Uint8Array> {
  const handle = await open(path, 'r');
  try {
    for (;;) {
      const buffer = new Uint8Array(PIECE);
      const { bytesRead } = await handle.read(buffer, 0, PIECE, null);
      if (bytesRead === 0) return;
      yield buffer.subarray(0, bytesRead);
    }
  } finally {
    await handle.close();
  }
}
