import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { BlockGzip } from '../archive/block-gzip.ts';
import { RootedThreads } from '../archive/rooted/rooted-threads.ts';
import { buildVersion } from '../base/build-version.ts';
import type { Logger } from '../base/log.ts';
import { LocalContentStore } from '../content/local-store.ts';
import { BuildCacheStore } from '../engine/builder/build-cache-store.ts';
import { CacheImages } from '../engine/builder/cache-images.ts';
import { CacheMountCopies } from '../engine/builder/cache-mount-copies.ts';
import { KeptContextStore } from '../engine/builder/context/kept-context-store.ts';
import { LocalChecks } from '../engine/builder/dockerfile-checks.ts';
import { ImageBuilder } from '../engine/builder/image-builder.ts';
import { Roots } from '../engine/builder/operations/roots.ts';
import { RootFiles } from '../engine/builder/root-files.ts';
import { Squash } from '../engine/builder/squash.ts';
import { ContainerSet } from '../engine/containers/container-set.ts';
import { NetworkExplainer } from '../engine/containers/explain/explainer.ts';
import { ensureInitLayer } from '../engine/containers/init-layer.ts';
import { isAlive } from '../engine/containers/lifecycle.ts';
import { DRIVER_NAMES } from '../engine/containers/logging/driver-options.ts';
import { NameIndex } from '../engine/containers/name-index.ts';
import { ContainerPaths } from '../engine/containers/paths.ts';
import { notePort } from '../engine/containers/port-notices.ts';
import { EventLog } from '../engine/events/event-log.ts';
import { ImageMounts } from '../engine/images/image-mounts.ts';
import { ImageStore } from '../engine/images/image-store.ts';
import { LayerBlobStore } from '../engine/images/layer-blobs-store.ts';
import { layerLimit } from '../engine/images/layer-limit.ts';
import { NetworkStore } from '../engine/networks/network-store.ts';
import { HostSystem } from '../engine/system/host-system.ts';
import { StoreCheck } from '../engine/system/store-check.ts';
import { LocalDriver } from '../engine/volumes/local-driver.ts';
import { PluginDrivers } from '../engine/volumes/plugins/plugin-drivers.ts';
import { VolumeCopies } from '../engine/volumes/volume-copies.ts';
import { VolumeDrivers } from '../engine/volumes/volume-drivers.ts';
import { VolumeStore } from '../engine/volumes/volume-store.ts';
import { Resolver } from '../netdriver/dns/resolver.ts';
import { openNetworking, tableNameFor } from '../netdriver/open.ts';
import { RegistryClient } from '../registry-client/client.ts';
import { CdiRegistry } from '../runtime/cdi/cdi-registry.ts';
import { ensureHierarchies } from '../runtime/cgroups/layout.ts';
import { createRuntime } from '../runtime/crun-runtime.ts';
import { readMachine } from '../runtime/machine.ts';
import { openSnapshotter } from '../snapshots/open.ts';
import { Database } from '../store/database.ts';
import { BuildCacheTable } from '../store/tables/build-cache.ts';
import { ContainerTable } from '../store/tables/containers.ts';
import { ImageTable } from '../store/tables/images.ts';
import { LayerBlobTable } from '../store/tables/layer-blobs.ts';
import { NetworkTable } from '../store/tables/networks.ts';
import { SettingTable } from '../store/tables/settings.ts';
import { UnfinishedTable } from '../store/tables/unfinished.ts';
import { VolumeTable } from '../store/tables/volumes.ts';
import type { DaemonConfig } from './config.ts';
import { composeContainers } from './containers.ts';
import { checkCgroupDriver } from './exec-opts.ts';
import { defaultBridge } from './network-options.ts';
import { registryClientConfig } from './registry-options.ts';

import { reloadEvent } from './reload-event.ts';
import { checkWay, readIdFiles, remapping } from './subordinate-ids.ts';

/** The engine's services, put together by hand in the order of their dependencies. */
export type Engine = Awaited<ReturnType<typeof composeEngine>>;

/** Constructs every service. Nothing runs yet: `recover` brings the machine and the rows together first. */
export async function composeEngine(config: DaemonConfig, log: Logger) {
  const { dataRoot, execRoot } = config;
  const build = buildVersion();
  let live = config;
  const database = new Database(join(dataRoot, 'tare.db'));
  const events = new EventLog(log);
  const set = new ContainerSet(new ContainerTable(database));
  const paths = new ContainerPaths(dataRoot, execRoot);
  for (const directory of [paths.root, paths.bundles, paths.views])
    mkdirSync(directory, { recursive: true, mode: 0o711 });
  const mounted = ensureHierarchies();
  if (mounted.length > 0) log.info('mounted cgroup hierarchies', { at: mounted.join(' ') });
  const machine = readMachine();
  checkCgroupDriver(config.cgroupDriver);
  const systemdCgroup = config.cgroupDriver === 'systemd';
  const runtime = createRuntime({ root: join(execRoot, 'rt'), systemdCgroup, log });
  const features = await runtime.features();
  const { snapshotter, why } = openSnapshotter(dataRoot, config.storageDriver, log);
  log.info('storage', { driver: snapshotter.name, ...(why === '' ? {} : { why }) });
  const content = new LocalContentStore(join(dataRoot, 'content'));
  const encoder = new BlockGzip();
  const layerBlobs = new LayerBlobStore({
    rows: new LayerBlobTable(database),
    content,
    snapshotter,
    encoder,
  });
  const initLayer = await ensureInitLayer(snapshotter);

  const volumeDrivers = new VolumeDrivers(
    new LocalDriver(join(dataRoot, 'volumes'), log),
    new PluginDrivers(config.pluginFolders),
  );
  const volumes = new VolumeStore({
    drivers: volumeDrivers,
    table: new VolumeTable(database),
    usersOf: (name) =>
      set.list().flatMap(({ id, mounts }) => (mounts.some((point) => point.name === name) ? [id] : [])),
    events,
    log,
  });
  const networking = openNetworking({
    // For tests: a bridge of the kernel takes 1,023.
    portLimit: Number(process.env.TARE_BRIDGE_PORTS) || undefined,
    table: tableOf(config),
    filtered: config.publish === 'filtered',
    log,
    onPort: (notice) => notePort({ set, events }, notice),
  });
  const networks = new NetworkStore({
    table: new NetworkTable(database),
    drivers: networking.drivers,
    namespaces: networking.namespaces,
    names: new Resolver({ source: new NameIndex(set), log }),
    host: networking.host,
    defaultBridge: config.bridge === 'none' ? undefined : defaultBridge(config.bridge, config.networks),
    addressPools: config.networks.addressPools,
    defaultMtu: config.networks.mtu,
    events,
    log,
    containerName: (id) => set.byId(id)?.name,
  });
  const fetcher = new RegistryClient(registryConfig(config));
  const buildSteps = new BuildCacheTable(database);
  const images = new ImageStore({
    rows: new ImageTable(database),
    content,
    snapshotter,
    layerBlobs,
    fetcher,
    pusher: fetcher,
    registry: fetcher,
    events,
    usersOf: (imageId) =>
      set
        .list()
        .filter(
          ({ imageId: own, mounts: points }) =>
            own === imageId || points.some(({ image }) => image?.id === imageId),
        )
        .map(({ id, state }) => ({ id, running: isAlive(state) })),
    mountedAt: (imageId) => imageMounts.pathOf(imageId),
    // A container that is being created has a snapshot before it has a row.
    layersInUse: () => [
      initLayer,
      ...snapshotter.layersInUse(),
      ...buildSteps.layers(),
      ...set.list().flatMap(({ mounts: points }) => points.flatMap(({ image }) => image?.layers ?? [])),
    ],
    unfinished: new UnfinishedTable(database),
    layerLimit: () => layerLimit(dataRoot, live.maxLayerSize),
    keepCompressed: () => live.keepCompressed,
    log,
  });

  const trees = new RootedThreads();
  const volumeCopies = new VolumeCopies({ volumes, trees, at: paths.views, events });
  const imageMounts: ImageMounts = new ImageMounts({
    directory: join(execRoot, 'images'),
    images,
    snapshotter,
    log,
  });

  const remap = remapping(config.usernsRemap, readIdFiles());
  if (remap) for (const path of [dataRoot, execRoot]) checkWay(path);
  const cdi = new CdiRegistry(() => live.cdiDirectories);
  const { containers, statistics, archives, recovery, health, logs, ...running } = composeContainers({
    execRoot,
    cdi,
    remap,
    set,
    paths,
    events,
    machine,
    runtime,
    snapshotter,
    volumes,
    networks,
    images,
    initLayer,
    live: () => live,
    log,
  });
  const id = new SettingTable(database).getOrSet('id', randomUUID);
  const system = new HostSystem({
    id,
    version: build.version,
    gitCommit: build.commit,
    buildTime: build.time,
    dataRoot,
    liveRestore: config.liveRestore,
    get labels() {
      return live.labels;
    },
    storageDriver: snapshotter.name,
    storageStatus: why === '' ? [] : [['Not EROFS', why]],
    networkDrivers: ['bridge', 'host', 'ipvlan', 'macvlan', 'null'],
    volumeDrivers: () => volumeDrivers.names(),
    get insecureRegistries() {
      return live.registries.insecureRegistries;
    },
    get mirrors() {
      return live.registries.registryMirrors;
    },
    get proxies() {
      return live.registries.proxies;
    },
    runtime: { name: features.name, path: Bun.which('crun') ?? 'crun', version: features.version },
    cgroupDriver: config.cgroupDriver,
    components: [],
    facts: machine,
    initVersion: '',
    containers,
    images,
    eventListeners: () => events.listenerCount,
    debug: () => live.debug,
    logDriver: () => live.containerDefaults.logConfig.type,
    cdi,
    userNamespaces: remap !== undefined,
    logDrivers: DRIVER_NAMES,
  });

  const builder = new ImageBuilder({
    images,
    containers,
    snapshotter,
    cache: buildSteps,
    trees,
    root: join(dataRoot, 'build'),
    memory: join(execRoot, 'build-secrets'),
    contextLimit: () => layerLimit(dataRoot, live.maxLayerSize),
    log,
  });
  const keptContexts = new KeptContextStore({ root: join(dataRoot, 'build', 'kept'), log });
  const explainer = new NetworkExplainer({
    set,
    networks,
    addresses: () => networking.host.addresses(),
    table: tableOf(config),
    filtered: config.publish === 'filtered',
  });
  const buildCache = new BuildCacheStore({
    steps: buildSteps,
    mounts: builder.caches,
    contexts: keptContexts,
    snapshotter,
    images,
  });
  const mountPoint = join(dataRoot, 'build', 'mount');
  const buildOutputs = {
    cacheImages: new CacheImages({ steps: buildSteps, images }),
    cacheMounts: new CacheMountCopies({
      mounts: builder.caches,
      roots: new Roots({ snapshotter, trees, at: mountPoint }),
    }),
    squash: new Squash({ images, snapshotter }),
    rootFiles: new RootFiles({ images, snapshotter, trees, at: mountPoint }),
  };
  const check = new StoreCheck({
    images,
    containers: set,
    snapshotter,
    volumes,
    networks,
    containerRoot: paths.root,
    volumeRoot: join(dataRoot, 'volumes'),
  });

  return {
    containers,
    statistics,
    archives,
    builder,
    dockerfileChecks: new LocalChecks(images),
    buildCache,
    keptContexts,
    buildOutputs,
    trees,
    images,
    imageMounts,
    volumeCopies,
    check,
    explainer,
    registries: fetcher,
    networks,
    volumes,
    events,
    system,
    paths,
    snapshotter,
    version: build.version,
    /** Before the API answers; returns what is to be done after. */
    async recover(): Promise<() => Promise<void>> {
      await volumes.sweep();
      imageMounts.adopt();
      await images.sweep();
      await builder.sweep();
      await keptContexts.sweep();
      const unfinished = await recovery.adopt();
      await builder.sweepContainers();
      logs.resume();
      health.resume();
      return () => recovery.finish(unfinished);
    },
    /** Takes over what can change while it runs: labels, registries, debug. */
    reload(next: DaemonConfig): void {
      live = next;
      fetcher.configure(registryConfig(next));
      images.reviewForms();
      events.emit(reloadEvent(id, next));
    },
    /** Ends all containers, because the machine goes down. */
    endContainers: () => running.endAll(),
    /** In reverse. Containers go on. */
    async close(): Promise<void> {
      running.close();
      keptContexts.close();
      builder.close();
      await images.close();
      await networks.close();
      networking.close();
      await runtime.close();
      encoder.close();
      trees.close();
      await snapshotter.close();
      database.close();
    },
  };
}

function registryConfig(config: DaemonConfig) {
  return registryClientConfig(config.registries, `tare/${buildVersion().version}`);
}

/** Daemons side by side have a table each: named for the bridge, or without one for the exec root. */
function tableOf({ bridge, execRoot }: DaemonConfig): string {
  return tableNameFor(bridge === 'none' ? execRoot : bridge);
}
