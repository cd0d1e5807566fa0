import { TareError } from '../../base/errors.ts';
import { streamOf } from '../../base/streams.ts';
import { copyDigest, copyInto, ensureDirectory, type SourceTree, type TargetTree } from './copier.ts';
import type { CopyRequest } from './copy-request.ts';
import { type Added, addSources, isRemote } from './sources/add.ts';
import { unpackable } from './sources/archives.ts';

/** A COPY or ADD whose sources have been looked at. */
export interface PreparedCopy {
  /** What decides whether it was done before, besides the image it is done on. */
  readonly key: readonly string[];
  /** Brings it into the target. `owner`: of `--chown`, undefined without. */
  fill(target: TargetTree, owner: { uid: number; gid: number } | undefined): Promise<void>;
  close(): Promise<void>;
}

/** Where a copy's files are. */
export interface CopySource {
  readonly tree: SourceTree;
  /** Names all that is in it; empty: the context, whose files are looked at. */
  readonly key: string;
}

/**
 * Looks at what a COPY or ADD brings; ADD fetches and finds archives. `scratch`: directory for what is fetched.
 * Throws `invalid` for sources that are not there.
 */
export async function prepareCopy(
  name: string,
  request: CopyRequest,
  { tree, key }: CopySource,
  scratch: string,
  signal: AbortSignal,
): Promise<PreparedCopy> {
  const remote = request.sources.find(isRemote);
  if (name === 'COPY' && remote !== undefined) {
    throw new TareError('invalid', `source can't be a URL for COPY: use ADD for ${remote}`);
  }
  const mode = request.chmod === '' ? undefined : Number.parseInt(request.chmod, 8);
  const added = name === 'ADD' ? await addSources(request, tree, scratch, signal) : untouched(request);
  try {
    const { sources, destination, chown, chmod, exclude, parents } = request;
    const digest = key === '' ? await copyDigest(added.whole, tree, { uid: 0, gid: 0, mode }) : key;
    // Equal contents under another name may end elsewhere: the names count.
    const words = JSON.stringify([sources, destination, chown, chmod, exclude, parents]);
    return {
      key: [name, digest, added.key, words],
      async fill(target, owner) {
        const { request: plain, archives } = added;
        if (plain.sources.length + plain.inline.length > 0) {
          await copyInto(plain, tree, target, { uid: 0, gid: 0, ...owner, mode });
        }
        for (const { open } of archives) {
          await ensureDirectory(target, destination);
          await target.put(destination, streamOf(unpackable(open(), owner, mode)));
        }
      },
      close: added.close,
    };
  } catch (error) {
    await added.close();
    throw error;
  }
}

function untouched(request: CopyRequest): Added {
  return { whole: request, request, archives: [], key: '', close: async () => {} };
}
