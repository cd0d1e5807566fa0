import type { CacheImages } from '../../engine/builder/cache-images.ts';
import type { CacheMountCopies } from '../../engine/builder/cache-mount-copies.ts';
import type { RootFiles } from '../../engine/builder/root-files.ts';
import type { Squash } from '../../engine/builder/squash.ts';
import { bodyStream } from '../body.ts';
import { text } from '../query.ts';
import type { Route } from '../router.ts';
import { pipeTar } from '../tar-answer.ts';

/** What becomes of a build besides an image. */
export interface BuildOutputs {
  readonly cacheImages: Pick<CacheImages, 'pack' | 'inline' | 'ofLayers' | 'takeIn'>;
  readonly cacheMounts: Pick<CacheMountCopies, 'export' | 'import'>;
  readonly rootFiles: Pick<RootFiles, 'tar'>;
  readonly squash: Pick<Squash, 'squash'>;
}

const TAR = 'application/x-tar';

/** Files of results, and caches as they go out and come in. */
export function buildOutputRoutes({ cacheImages, cacheMounts, rootFiles }: BuildOutputs): Route[] {
  return [
    {
      method: 'GET',
      pattern: '/tare/build/files',
      handle: async (x) => pipeTar(x, await rootFiles.tar(text(x, 'image')), TAR),
    },
    {
      method: 'POST',
      pattern: '/tare/build/cache',
      async handle(x) {
        x.json(200, { Records: await cacheImages.takeIn(text(x, 'image')) });
      },
    },
    {
      method: 'GET',
      pattern: '/tare/build/cache-mounts',
      handle: async (x) => pipeTar(x, await cacheMounts.export(text(x, 'id')), TAR),
    },
    {
      method: 'POST',
      pattern: '/tare/build/cache-mounts',
      async handle(x) {
        await cacheMounts.import(text(x, 'id'), bodyStream(x));
        x.empty(204);
      },
    },
  ];
}
