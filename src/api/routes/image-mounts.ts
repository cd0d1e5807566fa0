import type { ImageMount, ImageMounts } from '../../engine/images/image-mounts.ts';
import type { ImageMountEntry } from '../../wire/image-mounts.ts';
import { HttpError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { flag, text } from '../query.ts';
import type { Route } from '../router.ts';

interface Dependencies {
  readonly imageMounts: Pick<ImageMounts, 'mount' | 'unmount' | 'list'>;
}

/**
 * Tare's own: views of images for looking inside. `POST /tare/image-mounts?image=REF` mounts, `DELETE` unmounts one
 * (or with `all=1` each), `GET` lists. All answer with what they are about.
 */
export function imageMountRoutes({ imageMounts }: Dependencies): Route[] {
  const pattern = '/tare/image-mounts';
  return [
    { method: 'GET', pattern, handle: (x) => x.json(200, imageMounts.list().map(toWire)) },
    { method: 'POST', pattern, handle: (x) => x.json(200, toWire(imageMounts.mount(nameOf(x)))) },
    {
      method: 'DELETE',
      pattern,
      handle(x) {
        const refs = flag(x, 'all') ? imageMounts.list().map(({ image }) => image.id) : [nameOf(x)];
        x.json(
          200,
          refs.map((ref) => toWire(imageMounts.unmount(ref))),
        );
      },
    },
  ];
}

function nameOf(x: Exchange): string {
  const name = text(x, 'image');
  if (name === '') throw new HttpError(400, 'no image given: the parameter image is needed');
  return name;
}

function toWire({ image, path }: ImageMount): ImageMountEntry {
  return { Id: image.id, RepoTags: [...image.repoTags], Path: path };
}
