import type { ApiDependencies } from './dependencies.ts';
import { Dispatcher } from './dispatcher.ts';
import type { Route } from './router.ts';
import { buildRoutes } from './routes/build.ts';
import { buildCheckRoutes } from './routes/build-check.ts';
import { buildOutputRoutes } from './routes/build-outputs.ts';
import { buildKitRoutes } from './routes/buildkit.ts';
import { checkRoutes } from './routes/check.ts';
import { containerArchiveRoutes } from './routes/container-archive.ts';
import { containerLifecycleRoutes } from './routes/container-lifecycle.ts';
import { containerListRoutes } from './routes/container-list.ts';
import { containerStreamRoutes } from './routes/container-streams.ts';
import { containerRoutes } from './routes/containers.ts';
import { engineRegistryRoutes } from './routes/engine-registry.ts';
import { eventRoutes } from './routes/events.ts';
import { execRoutes } from './routes/exec.ts';
import { explainRoutes } from './routes/explain.ts';
import { imageMountRoutes } from './routes/image-mounts.ts';
import { imageTransferRoutes } from './routes/image-transfer.ts';
import { imageRoutes } from './routes/images.ts';
import { laterRoutes } from './routes/later.ts';
import { networkRoutes } from './routes/networks.ts';
import { registryRoutes } from './routes/registries.ts';
import { statisticsRoutes } from './routes/statistics.ts';
import { swarmRoutes } from './routes/swarm.ts';
import { systemRoutes } from './routes/system.ts';
import { volumeCopyRoutes } from './routes/volume-copies.ts';
import { volumeRoutes } from './routes/volumes.ts';
import { ApiServer } from './server.ts';

/**
 * The Engine API over an engine. It listens on nothing yet.
 *
 * Example: `const api = createApi(deps); await api.listenPath('/run/tare/tare.sock'); … await api.close(5000)`.
 */
export function createApi(dependencies: ApiDependencies): ApiServer {
  const dispatcher = new Dispatcher(allRoutes(dependencies), dependencies.version, dependencies.log);
  return new ApiServer(dispatcher, dependencies.log, dependencies.clientOf);
}

/** Every endpoint. */
export function allRoutes(dependencies: ApiDependencies): Route[] {
  return [
    ...systemRoutes(dependencies),
    ...checkRoutes(dependencies),
    ...containerListRoutes(dependencies),
    ...containerRoutes(dependencies),
    ...containerLifecycleRoutes(dependencies.containers),
    ...containerStreamRoutes(dependencies),
    ...statisticsRoutes(dependencies),
    ...containerArchiveRoutes(dependencies),
    ...execRoutes(dependencies.containers),
    ...imageRoutes(dependencies),
    ...imageTransferRoutes(dependencies),
    ...imageMountRoutes(dependencies),
    ...volumeCopyRoutes(dependencies),
    ...registryRoutes(dependencies),
    ...engineRegistryRoutes(dependencies),
    ...explainRoutes(dependencies),
    ...networkRoutes(dependencies),
    ...volumeRoutes(dependencies),
    ...eventRoutes(dependencies),
    ...swarmRoutes(),
    ...buildRoutes(dependencies),
    ...buildOutputRoutes(dependencies.buildOutputs),
    ...buildKitRoutes(dependencies),
    ...buildCheckRoutes(dependencies),
    ...laterRoutes(),
  ];
}
