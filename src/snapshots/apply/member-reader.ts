import { tarPadding } from '../../archive/tar-writer.ts';
import { AT_FDCWD, closeFile, OpenFlag, openAt, readInto } from '../../kernel/files.ts';
import type { LayerMember } from '../snapshots.ts';
import type { LayerJob } from './layer-job.ts';

/** Bytes that are read at once. */
const PIECE = 512 * 1024;

/** Puts members of a layer together of their headers and the files that they are made of. */
export class MemberReader {
  #buffer: Buffer | undefined;

  /** Throws what the system says of a file that cannot be read. One that has become shorter is filled with zeros. */
  push({ header, path, size = 0 }: LayerMember, job: LayerJob): void {
    job.push(header);
    if (path === undefined) return;
    const fd = openAt(AT_FDCWD, path, OpenFlag.RDONLY | OpenFlag.NOFOLLOW | OpenFlag.NONBLOCK);
    try {
      this.#buffer ??= Buffer.alloc(PIECE);
      for (let left = size; left > 0; ) {
        const room = this.#buffer.subarray(0, Math.min(left, PIECE));
        let count = readInto(fd, room, path);
        if (count === 0) {
          room.fill(0);
          count = room.byteLength;
        }
        job.push(room.subarray(0, count));
        left -= count;
      }
    } finally {
      closeFile(fd);
    }
    job.push(tarPadding(size));
  }
}
