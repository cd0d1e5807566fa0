import { messageOf, TareError } from '../../base/errors.ts';
import type { BuildResult } from '../../engine/builder/builder.ts';
import { parseReference } from '../../oci/reference.ts';
import type { BuildKitParts } from '../buildkit.ts';
import { credentialsOf } from '../session/attachables.ts';
import type { Session } from '../session/sessions.ts';
import type { Job } from './jobs.ts';

/** A `--cache-to` as a client asks for it. */
export interface CacheExport {
  readonly type: string;
  readonly attrs: Readonly<Record<string, string>>;
}

type Parts = Pick<BuildKitParts, 'images' | 'cacheImages'>;

/** Throws `not-implemented` for those that this builder has not; before anything is built. */
export function checkCacheExports(exports: readonly CacheExport[]): void {
  for (const { type, attrs } of exports) {
    if (type === 'inline') continue;
    if (type !== 'registry') {
      throw new TareError(
        'not-implemented',
        `--cache-to type=${type} is not supported here: use type=inline or type=registry,ref=NAME`,
      );
    }
    if (!attrs.ref) throw new TareError('invalid', '--cache-to type=registry needs a ref');
  }
}

/** Fetches what brings cached steps. What is not there, or brings none, is no cache. */
export async function importCaches(
  { images, cacheImages }: Parts,
  job: Job,
  session: Session,
  references: readonly string[],
  signal: AbortSignal,
): Promise<void> {
  for (const reference of references) {
    const name = `importing cache manifest from ${reference}`;
    await job.progress
      .during(name, reference, async () => {
        const auth = await credentialsOf(session, parseReference(reference).domain, signal);
        const options = { ...(auth !== undefined && { auth }), report: () => {}, signal };
        await images.pull(reference, options);
        await cacheImages.takeIn(reference);
      })
      .catch((error: unknown) => {
        if (signal.aborted) throw error;
        job.progress.take({ kind: 'warning', text: `no cache from ${reference}: ${messageOf(error)}` });
      });
  }
}

/** Exports what a build has cached. Returns the result, whose image is another one when the cache is in it. */
export async function exportCaches(
  { images, cacheImages }: Parts,
  job: Job,
  session: Session,
  built: BuildResult,
  exports: readonly CacheExport[],
  signal: AbortSignal,
): Promise<BuildResult> {
  let result = built;
  for (const { type, attrs } of exports) {
    const { keys, layers } = built;
    if (type === 'inline') {
      result = { ...result, id: await cacheImages.inline(result.id, keys, []) };
      continue;
    }
    const reference = attrs.ref ?? '';
    await job.progress.during('exporting cache to registry', reference, async () => {
      const packed = await cacheImages.pack(attrs.mode === 'max' ? keys : cacheImages.ofLayers(keys, layers));
      await images.tag(packed, reference);
      try {
        const auth = await credentialsOf(session, parseReference(reference).domain, signal);
        await images.push(reference, { ...(auth !== undefined && { auth }), report: () => {}, signal });
      } finally {
        await images.remove(reference, { force: false, noPrune: true });
      }
    });
  }
  return result;
}
