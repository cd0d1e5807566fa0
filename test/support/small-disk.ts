import { mkdirSync, mkdtempSync, rmdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { must, run } from './command.ts';

/** An ext4 file system of a few megabytes on a file, mounted. */
export interface SmallDisk {
  /** Where it is mounted. */
  readonly place: string;
  /** A directory beside it that is not full when it is; goes with it. */
  readonly beside: string;
  /** Unmounts it, as soon as nobody uses it any more, and removes it. */
  remove(): Promise<void>;
}

/** `size` as truncate(1) takes it: `60M`. */
export async function makeSmallDisk(size: string): Promise<SmallDisk> {
  const root = mkdtempSync('/tmp/tare-small-');
  const place = join(root, 'data');
  const image = join(root, 'disk.img');
  mkdirSync(place);
  await must(['truncate', '-s', size, image]);
  await must(['mkfs.ext4', '-q', '-F', '-m', '0', image]);
  await must(['mount', '-o', 'loop', image, place]);
  return {
    place,
    beside: root,
    async remove() {
      for (let i = 0; i < 50 && (await run(['umount', place])).code !== 0; i++) await Bun.sleep(100);
      // Only when it is unmounted.
      rmdirSync(place);
      rmSync(root, { recursive: true });
    },
  };
}
