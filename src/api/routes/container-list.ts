import type { Container } from '../../engine/containers/model.ts';
import type { QueryLookups } from '../../engine/containers/query.ts';
import type { ImageService } from '../../engine/images/images.ts';
import { summarizeContainer } from '../convert/container.ts';
import type { ApiDependencies } from '../dependencies.ts';
import type { Exchange } from '../exchange.ts';
import { PRUNE_FILTERS, pruneTest } from '../prune.ts';
import { filters, flag, integer } from '../query.ts';
import type { Route } from '../router.ts';

type Dependencies = Pick<ApiDependencies, 'containers' | 'now' | 'compileQuery'> & {
  images: Pick<ImageService, 'find'>;
};

/** `ps` and `container prune`. */
export function containerListRoutes({ containers, images, now, compileQuery }: Dependencies): Route[] {
  const lookups: QueryLookups = {
    container: (ref) => containers.get(ref),
    imageId: (ref) => images.find(ref)?.id,
    parentImage: (id) => images.find(id)?.parent ?? '',
  };

  function select(x: Exchange): Container[] {
    const query = compileQuery(filters(x).map, lookups);
    const limit = integer(x, 'limit') ?? 0;
    const stoppedToo = flag(x, 'all') || limit > 0 || query.includesStopped;
    const found: Container[] = [];
    for (const container of containers.list()) {
      if (!stoppedToo && !RUNNING.has(container.state.status)) continue;
      if (!query.matches(container)) continue;
      found.push(container);
      if (limit > 0 && found.length === limit) break;
    }
    return found;
  }

  async function list(x: Exchange): Promise<void> {
    const size = flag(x, 'size');
    const imageName = imageNames(images);
    const at = now();
    const summaries = [];
    for (const container of select(x)) {
      const bytes = size ? await containers.size(container.id) : undefined;
      summaries.push(summarizeContainer(container, imageName(container), at, x.version, bytes));
    }
    x.json(200, summaries);
  }

  return [
    { method: 'GET', pattern: '/containers/json', handle: list },
    { method: 'GET', pattern: '/containers/ps', handle: list },
    {
      method: 'POST',
      pattern: '/containers/prune',
      async handle(x) {
        const prunable = pruneTest(filters(x).restrictTo(PRUNE_FILTERS), now());
        const { deleted, reclaimed } = await containers.prune((container) =>
          prunable(container.config.labels, container.createdAt),
        );
        x.json(200, { ContainersDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed });
      },
    },
  ];
}

const RUNNING: ReadonlySet<string> = new Set(['running', 'paused', 'restarting']);

/** The image as the user named it, or its id when that name means another image by now. One look-up a name. */
export function imageNames(images: Pick<ImageService, 'find'>): (container: Container) => string {
  const ids = new Map<string, string | undefined>();
  return (container) => {
    const { image } = container.config;
    if (!ids.has(image)) ids.set(image, images.find(image)?.id);
    return ids.get(image) === container.imageId ? image : container.imageId;
  };
}
