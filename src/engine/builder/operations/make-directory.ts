import { toByteString } from '../../../archive/byte-string.ts';
import { TareError } from '../../../base/errors.ts';
import { type Chain, EMPTY_CHAIN, keyOf, type Operation } from '../graph/graph.ts';
import { epochKey } from './clamp-times.ts';
import { rootOf } from './copy.ts';
import { directoryMembers } from './copy-members.ts';
import type { Environment } from './environment.ts';
import { findDirectory } from './links-inside.ts';
import { ownerIn } from './roots.ts';

/** The operation of a WORKDIR: the directory is made when it is missing, for the USER if there is one, as BuildKit does. */
export function makeDirectoryOperation(path: string, user: string, environment: Environment): Operation {
  return {
    kind: 'operation',
    async prepare([chain = EMPTY_CHAIN]) {
      return {
        key: keyOf('WORKDIR', chain.id, path, user, ...epochKey(environment.request)),
        run: () => make(path, user, chain, environment),
        close: async () => {},
      };
    },
  };
}

async function make(
  path: string,
  user: string,
  chain: Chain,
  environment: Environment,
): Promise<string | undefined> {
  const { roots, layers, request } = environment;
  const view = await roots.view(chain);
  try {
    const root = rootOf(view);
    const found = findDirectory(root, toByteString(path));
    if (found.missing.length === 0) return undefined;
    const now = request.sourceDateEpoch ?? Math.floor(Date.now() / 1000);
    const owner = user === '' ? undefined : ownerIn(user, view);
    const members = directoryMembers(root, found.path, found.missing, { now, owner });
    return (await layers.applyLayer(undefined, { members })).diffId;
  } catch (error) {
    if (error instanceof TareError) throw error;
    throw new TareError('invalid', `cannot make the working directory ${path}`, error);
  } finally {
    await view.close();
  }
}
