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
    cache: engine.buildCache,
    checks: engine.dockerfileChecks,
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
      try {
        const { tar } = await tree.pack('/');
        return closing(tar, () => tree.close());
      } catch (error) {
        await tree.close();
        throw error;
      }
    },
    archive: (imageId) => images.save([imageId]),
  };
}

/** A stream that lets go of what it reads from when it is over. */
function closing(stream: ReadableStream<Uint8Array>, close: () => Promise<void>): ReadableStream<Uint8Array> {
  const reader = stream.getReader();
  return new ReadableStream({
    async pull(controller) {
      try {
        const { done, value } = await reader.read();
        if (!done) return controller.enqueue(value);
        await close();
        controller.close();
      } catch (error) {
        await close();
        controller.error(error);
      }
    },
    async cancel(reason) {
      await reader.cancel(reason);
      await close();
    },
  });
}
