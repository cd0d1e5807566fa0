import { realpath } from 'node:fs/promises';
import { join } from 'node:path';
import { TareError } from '../../../base/errors.ts';

/**
 * The true path of something in the context's directory on the host. Nobody changes a context while it is built, so
 * looking first is enough. Throws `invalid` when links lead out of it, `not-found`'s system error when it is not there.
 */
export async function insideContext(directory: string, path: string): Promise<string> {
  const root = await realpath(directory);
  const found = await realpath(join(root, join('/', path)));
  if (found === root || found.startsWith(`${root}/`)) return found;
  throw new TareError('invalid', `forbidden path outside the build context: ${path}`);
}
