import { TareError } from '../../base/errors.ts';
import { parseSize } from '../../base/sizes.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';

/** Bytes that `--storage-opt size=` allows for the writable layer; undefined: no limit. Throws `invalid`, as dockerd. */
export function storageSize(options: Readonly<Record<string, string>>): number | undefined {
  let size: number | undefined;
  for (const [key, value] of Object.entries(options)) {
    if (key.toLowerCase() !== 'size') throw new TareError('invalid', `unknown option ${key}`);
    try {
      size = parseSize(value);
    } catch {
      throw new TareError('invalid', `invalid size: '${value}'`);
    }
  }
  return size === 0 ? undefined : size;
}

/** Limits a new snapshot. Throws `invalid`, in dockerd's words and with the file systems that it does not know of. */
export function limitSnapshot(snapshotter: Pick<Snapshotter, 'limit'>, id: string, bytes: number): void {
  if (snapshotter.limit(id, bytes)) return;
  throw new TareError(
    'invalid',
    "--storage-opt is supported only for overlay over xfs with 'pquota' mount option (here also over ext4 with 'prjquota')",
  );
}
