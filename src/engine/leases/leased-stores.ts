import type { ContentStore, Ingest } from '../../content/content.ts';
import { digestOf } from '../../oci/digest.ts';
import type { Snapshotter } from '../../snapshots/snapshots.ts';
import type { Lease } from './leases.ts';

/** The content store for one lease: blobs that it is told are there, or that it stores, are held. */
export function leasedContent(content: ContentStore, lease: Lease): ContentStore {
  return overlaid(content, {
    size(digest) {
      const size = content.size(digest);
      if (size !== undefined) lease.hold(digest);
      return size;
    },
    async put(mediaType, bytes) {
      // Before it is stored: it may be there already, as garbage.
      lease.hold(digestOf(bytes));
      const descriptor = await content.put(mediaType, bytes);
      lease.stored(descriptor.digest);
      return descriptor;
    },
    async ingest(key) {
      return leasedIngest(await content.ingest(key), lease);
    },
  });
}

function leasedIngest(ingest: Ingest, lease: Lease): Ingest {
  return overlaid(ingest, {
    async commit(expected) {
      if (expected.digest !== undefined) lease.hold(expected.digest);
      const descriptor = await ingest.commit(expected);
      lease.stored(descriptor.digest);
      return descriptor;
    },
  });
}

/** The layers for one lease: those that it is told are there, or that it stores, are held. */
export function leasedLayers(snapshotter: Snapshotter, lease: Lease): Snapshotter {
  return overlaid(snapshotter, {
    hasLayer(diffId) {
      const there = snapshotter.hasLayer(diffId);
      if (there) lease.hold(diffId);
      return there;
    },
    layer(diffId) {
      const layer = snapshotter.layer(diffId);
      if (layer) lease.hold(diffId);
      return layer;
    },
    async applyLayer(diffId, source) {
      if (diffId !== undefined) {
        lease.hold(diffId);
        const layer = await snapshotter.applyLayer(diffId, source);
        lease.stored(diffId);
        return layer;
      }
      return await lease.whileUnknown(async () => {
        const layer = await snapshotter.applyLayer(undefined, source);
        lease.stored(layer.diffId);
        return layer;
      });
    },
  });
}

/** `target` with some methods replaced; the others work on the target itself. */
function overlaid<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(_, name) {
      const own: unknown = Reflect.get(methods, name);
      if (own !== undefined) return own;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
