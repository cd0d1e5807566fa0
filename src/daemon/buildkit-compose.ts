import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { containerConfigCodec } from '../api/codec/container-config.ts';
import { hostConfigCodec } from '../api/codec/host-config.ts';
import type { Logger } from '../base/log.ts';
import type { BuildKit } from '../buildkit/buildkit.ts';
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
  const directory = join(execRoot, 'buildkit');
  // Sockets of agents that a daemon had before.
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  return new BuildKitServer({
    builder: engine.builder,
    kept: engine.keptContexts,
    cache: engine.buildCache,
    checks: engine.dockerfileChecks,
    images: engine.images,
    rootFiles: engine.buildOutputs.rootFiles,
    cacheImages: engine.buildOutputs.cacheImages,
    defaults: () => ({ config: containerConfigCodec.zero(), hostConfig: hostConfigCodec.zero() }),
    sourceOf,
    directory,
    version: engine.version,
    storageDriver: engine.snapshotter.name,
    log,
  });
}
