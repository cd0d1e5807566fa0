/** Where test images and what else is fetched are kept between runs: outside the repository, since they are large and this machine's own. */
import {
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';

/** `TARE_TEST_CACHE`, else /var/cache/tare-test; made if missing. */
export function cacheFolder(): string {
  const folder = process.env.TARE_TEST_CACHE ?? '/var/cache/tare-test';
  mkdirSync(folder, { recursive: true });
  return folder;
}

/**
 * The path of the cached file or folder `name`. `make` is called to write it when it is missing or was made from another
 * `key`, by one process at a time; it gets a folder for its work, which is removed afterwards. A half-made file
 * is never seen.
 */
export async function cached(
  name: string,
  key: string,
  make: (target: string, workFolder: string) => Promise<void>,
): Promise<string> {
  const path = join(cacheFolder(), name);
  const stamp = `${path}.key`;
  const isFresh = () => existsSync(path) && existsSync(stamp) && readFileSync(stamp, 'utf8') === key;
  if (isFresh()) return path;
  const unlock = await lock(`${path}.lock`);
  const work = `${path}.work-${process.pid}`;
  try {
    if (isFresh()) return path;
    mkdirSync(work, { recursive: true });
    const made = join(work, 'made');
    await make(made, work);
    rmSync(stamp, { force: true });
    // A folder cannot be renamed over another.
    rmSync(path, { recursive: true, force: true });
    renameSync(made, path);
    writeFileSync(stamp, key);
    return path;
  } finally {
    rmSync(work, { recursive: true, force: true });
    unlock();
  }
}

let locks = 0;

/** A lock file that names its owner; one whose owner is gone is taken over. */
async function lock(path: string): Promise<() => void> {
  const own = `${path}.${process.pid}-${++locks}`;
  writeFileSync(own, String(process.pid));
  try {
    for (;;) {
      try {
        linkSync(own, path);
        return () => unlinkSync(path);
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
      }
      if (!ownerLives(path)) rmSync(path, { force: true });
      else await Bun.sleep(200);
    }
  } finally {
    rmSync(own, { force: true });
  }
}

function ownerLives(path: string): boolean {
  try {
    process.kill(Number(readFileSync(path, 'utf8')), 0);
    return true;
  } catch {
    return false;
  }
}
