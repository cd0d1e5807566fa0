import { closeSync, lstatSync, mkdirSync, openSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TareError } from '../../base/errors.ts';
import { codeOf } from '../../kernel/errno.ts';

/** As the kernel's bound, path_resolution(7). */
const LINKS_LIMIT = 40;

/**
 * Makes a mount's target where the image has a link on the way that leads to nothing (`/var/run` to a `/run` that is
 * not there): crun refuses that, and Docker's runtime makes it. What lies plainly in the path is left to the runtime.
 * `root` is a container's root in which nothing runs yet, so nobody changes links between a look and a step.
 */
export function makeLinkedTarget(root: string, destination: string, isDirectory: boolean): void {
  const place = followed(root, destination);
  if (place === undefined) return;
  const path = join(root, place);
  if (exists(path)) return;
  // All that is there of it was looked at: no link is among it.
  mkdirSync(isDirectory ? path : dirname(path), { recursive: true, mode: 0o755 });
  if (!isDirectory) closeSync(openSync(path, 'wx', 0o644));
}

/** Where a path leads inside the root, without links; undefined: there is no link on the way. Throws `invalid`. */
function followed(root: string, path: string): string | undefined {
  const pending = path.split('/').filter(Boolean);
  let at: string[] = [];
  let links = 0;
  for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
    if (name === '.') continue;
    if (name === '..') {
      at.pop();
      continue;
    }
    const target = linkAt(join(root, ...at, name));
    if (target === undefined) {
      at.push(name);
      continue;
    }
    if (++links > LINKS_LIMIT) {
      throw new TareError(
        'invalid',
        `invalid mount path: '${path}': too many levels of symbolic links in the image`,
      );
    }
    if (target.startsWith('/')) at = [];
    pending.unshift(...target.split('/').filter(Boolean));
  }
  return links === 0 ? undefined : `/${at.join('/')}`;
}

function linkAt(path: string): string | undefined {
  try {
    return readlinkSync(path);
  } catch (error) {
    // EINVAL: something else than a link; ENOTDIR: the runtime will say so.
    if (['EINVAL', 'ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
