import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { containerConfigCodec } from '../api/codec/container-config.ts';
import { hostConfigCodec } from '../api/codec/host-config.ts';
import type { Logger } from '../base/log.ts';
import type { BuildExports, BuildKit } from '../buildkit/buildkit.ts';
import { sourceOf } from '../engine/builder/dockerfile/dockerfile-error.ts';
import type { DaemonConfig } from './config.ts';
import type { Engine } from './engine.ts';

/** BuildKit's protocol, loaded when the first client speaks it: most daemons never need it. */
export function lazyBuildKit(engine: Engine, config: DaemonConfig, log: Logger): () => Promise<BuildKit> {
  let made: Promise<BuildKit> | undefined;
  return () => {
    made ??= compose(engine, config, log);
    return made;
  };
}

async function compose(engine: Engine, { execRoot }: DaemonConfig, log: Logger): Promise<BuildKit> {
  const { BuildKitServer } = await import('../buildkit/server.ts');
  const directory = join(execRoot, 'build');
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return new BuildKitServer({
    builder: engine.builder,
    kept: engine.keptContexts,
    cache: {
      list: async () => [],
      prune: async () => ({ deleted: [], reclaimed: 0 }),
    },
    images: engine.images,
    exports: exportsOf(engine, directory),
    defaults: () => ({ config: containerConfigCodec.zero(), hostConfig: hostConfigCodec.zero() }),
    sourceOf,
    directory,
    version: engine.version,
    storageDriver: engine.snapshotter.name,
    log,
  });
}

function exportsOf({ images, snapshotter, trees }: Engine, directory: string): BuildExports {
  const at = join(directory, 'mount');
  mkdirSync(at, { recursive: true, mode: 0o700 });
  return {
    async rootTar(imageId) {
      const layers = images.get(imageId).config.rootfs.diff_ids;
      const tree = await trees.open({
        kind: 'mounted',
        at,
        mounts: snapshotter.viewMounts(layers),
        binds: [],
      });
      const { tar } = await tree.pack('/');
      void tree.close();
      return tar;
    },
    archive: (imageId) => images.save([imageId]),
  };
}
