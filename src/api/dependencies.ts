import type { Logger } from '../base/log.ts';
import type { BuildKit } from '../buildkit/buildkit.ts';
import type { BuildCache } from '../engine/builder/build-cache.ts';
import type { Builder } from '../engine/builder/builder.ts';
import type { DockerfileChecks } from '../engine/builder/checks.ts';
import type { KeptContexts } from '../engine/builder/context/kept-contexts.ts';
import type { ContainerArchives } from '../engine/containers/container-archives.ts';
import type { ContainerService } from '../engine/containers/containers.ts';
import type { ApiClient } from '../engine/containers/death.ts';
import type { NetworkExplainer } from '../engine/containers/explain/explainer.ts';
import type { ContainerQuery, FilterMap, QueryLookups } from '../engine/containers/query.ts';
import type { StatisticsService } from '../engine/containers/statistics.ts';
import type { EventBus } from '../engine/events/events.ts';
import type { ImageMounts } from '../engine/images/image-mounts.ts';
import type { ImageService } from '../engine/images/images.ts';
import type { RegistryAccess } from '../engine/images/registries.ts';
import type { NetworkService } from '../engine/networks/networks.ts';
import type { StoreCheckService } from '../engine/system/store-check.ts';
import type { SystemService } from '../engine/system/system.ts';
import type { VolumeCopies } from '../engine/volumes/volume-copies.ts';
import type { VolumeService } from '../engine/volumes/volumes.ts';
import type { ContainerPaths } from './convert/container.ts';
import type { BuildOutputs } from './routes/build-outputs.ts';
import type { ImageRegistry } from './routes/engine-registry.ts';

/** What the API needs of the engine. Each group of routes takes the few methods it uses out of this. */
export interface ApiDependencies {
  /** `execsOf`: ids of a container's running execs. */
  readonly containers: ContainerService & { execsOf?(ref: string): string[] };
  readonly statistics: StatisticsService;
  readonly archives: Pick<ContainerArchives, 'stat' | 'get' | 'put'>;
  readonly images: ImageService;
  readonly builder: Builder;
  readonly dockerfileChecks: DockerfileChecks;
  readonly buildCache: BuildCache;
  readonly keptContexts: KeptContexts;
  readonly buildOutputs: BuildOutputs;
  /** Loaded when the first client asks for it. */
  readonly buildkit: () => Promise<BuildKit>;
  readonly imageMounts: Pick<ImageMounts, 'mount' | 'unmount' | 'list'>;
  readonly registries: RegistryAccess;
  readonly imageRegistry: ImageRegistry;
  readonly networks: Pick<NetworkService, 'get' | 'list' | 'create' | 'remove'>;
  /** `size`: bytes of a volume's files; without it `system df` shows -1. */
  readonly volumes: VolumeService & { size?(name: string): Promise<number> };
  readonly volumeCopies: Pick<VolumeCopies, 'export' | 'import' | 'clone' | 'rename'>;
  readonly events: EventBus;
  readonly system: SystemService;
  readonly check: StoreCheckService;
  readonly explainer: Pick<NetworkExplainer, 'explain'>;
  /** The client whose connection was accepted a moment ago. */
  readonly clientOf?: () => ApiClient | undefined;
  readonly log: Logger;
  /** `compileQuery` of engine/containers/query.ts. */
  readonly compileQuery: (filters: FilterMap, lookups: QueryLookups) => ContainerQuery;
  /** Where a container's files are. */
  readonly paths: (id: string) => ContainerPaths;
  /** Name of the snapshotter, as inspect shows it. */
  readonly storageDriver: string;
  /** Version of the program, for headers. */
  readonly version: string;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
}
