import { digestOf } from '../../oci/digest.ts';
import type { RemovalStep } from './image-remover.ts';
import type { Image, ImageRemoval } from './images.ts';

/** The chain ids of an image's layers, lowest first: what Docker names layers by (OCI image-spec, config.md). */
export function chainIds(diffIds: readonly string[]): string[] {
  let chain = '';
  return diffIds.map((diffId) => {
    chain = chain === '' ? diffId : digestOf(`${chain} ${diffId}`);
    return chain;
  });
}

/**
 * The steps of a removal as clients see them: each image is followed by the layers that went with it, topmost
 * first. A layer goes when no image in `kept` stands on its chain and its diff id is in `collected`.
 */
export function withFreedLayers(
  steps: readonly RemovalStep[],
  kept: readonly Image[],
  collected: ReadonlySet<string>,
): ImageRemoval[] {
  const told = new Set(kept.flatMap((image) => chainIds(image.config.rootfs.diff_ids)));
  return steps.flatMap((step): ImageRemoval[] => {
    if ('untagged' in step) return [step];
    const { id, config } = step.deleted;
    const diffIds = config.rootfs.diff_ids;
    const layers = chainIds(diffIds).flatMap((deleted, at) => {
      if (told.has(deleted) || !collected.has(diffIds[at] ?? '')) return [];
      told.add(deleted);
      return [{ deleted }];
    });
    return [{ deleted: id }, ...layers.reverse()];
  });
}
