import { randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { BlockGzip } from '../archive/block-gzip.ts';
import { RootedThreads } from '../archive/rooted/rooted-threads.ts';
import { writeTree } from '../archive/write-tree.ts';
import { buildVersion } from '../base/build-version.ts';
import type { Logger } from '../base/log.ts';
import { LocalContentStore } from '../content/local-store.ts';
import { BundleFiles } from '../engine/containers/bundle-files.ts';
import { ContainerArchives } from '../engine/containers/container-archives.ts';
import { ContainerEngine } from '../engine/containers/container-engine.ts';
import { ContainerFiles } from '../engine/containers/container-files.ts';
import { ContainerMounts } from '../engine/containers/container-mounts.ts';
import { ContainerSet } from '../engine/containers/container-set.ts';
import { ContainerCreator } from '../engine/containers/creator.ts';
import { EtcFiles } from '../engine/containers/etc-files.ts';
import { ExecSet } from '../engine/containers/exec-set.ts';
import { HealthMonitor } from '../engine/containers/health-monitor.ts';
import { runProbe } from '../engine/containers/health-probe.ts';
import { ensureInitLayer } from '../engine/containers/init-layer.ts';
import { isAlive } from '../engine/containers/lifecycle.ts';
import { readContainerLog } from '../engine/containers/logging/container-log.ts';
import { DRIVER_NAMES } from '../engine/containers/logging/driver-options.ts';
import { LogKeeper } from '../engine/containers/logging/log-keeper.ts';
import { MountShelf } from '../engine/containers/mount-shelf.ts';
import { NameIndex } from '../engine/containers/name-index.ts';
import { NetworkChanges } from '../engine/containers/network-changes.ts';
import { ContainerPaths } from '../engine/containers/paths.ts';
import { ContainerRecovery } from '../engine/containers/recovery.ts';
import { ContainerRemover } from '../engine/containers/remover.ts';
import { StatisticsSampler } from '../engine/containers/statistics-sampler.ts';
import { Supervisor } from '../engine/containers/supervisor.ts';
import { VolumeFiller } from '../engine/containers/volume-filler.ts';
import { Waiters } from '../engine/containers/waiters.ts';
import { EventLog } from '../engine/events/event-log.ts';
import { ImageMounts } from '../engine/images/image-mounts.ts';
import { ImageStore } from '../engine/images/image-store.ts';
import { LayerBlobStore } from '../engine/images/layer-blobs-store.ts';
import { layerLimit } from '../engine/images/layer-limit.ts';
import { DEFAULT_BRIDGE } from '../engine/networks/default-network.ts';
import { NetworkStore } from '../engine/networks/network-store.ts';
import { HostSystem } from '../engine/system/host-system.ts';
import { StoreCheck } from '../engine/system/store-check.ts';
import { LocalDriver } from '../engine/volumes/local-driver.ts';
import { VolumeStore } from '../engine/volumes/volume-store.ts';
import { Resolver } from '../netdriver/dns/resolver.ts';
import { interfaceCounters } from '../netdriver/interface-counters.ts';
import { openNetworking, tableNameFor } from '../netdriver/open.ts';
import { RegistryClient } from '../registry-client/client.ts';
import { ensureHierarchies } from '../runtime/cgroups/layout.ts';
import { createRuntime } from '../runtime/crun-runtime.ts';
import { findInitProgram } from '../runtime/init-program.ts';
import { compressRotated } from '../runtime/log/compress.ts';
import { rotateLog } from '../runtime/log/rotate.ts';
import { readMachine } from '../runtime/machine.ts';
import { readSystemCpu } from '../runtime/system-cpu.ts';
import { openSnapshotter } from '../snapshots/open.ts';
import { Database } from '../store/database.ts';
import { ContainerTable } from '../store/tables/containers.ts';
import { ImageTable } from '../store/tables/images.ts';
import { LayerBlobTable } from '../store/tables/layer-blobs.ts';
import { NetworkTable } from '../store/tables/networks.ts';
import { SettingTable } from '../store/tables/settings.ts';
import { UnfinishedTable } from '../store/tables/unfinished.ts';
import { VolumeTable } from '../store/tables/volumes.ts';
import type { DaemonConfig } from './config.ts';
import { registryClientConfig } from './registry-options.ts';

/** Parent of all containers' cgroups. */
const CGROUP_PARENT = '/tare';

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
  const runtime = createRuntime({ root: join(execRoot, 'rt'), log });
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

  const volumes = new VolumeStore({
    local: new LocalDriver(join(dataRoot, 'volumes'), log),
    table: new VolumeTable(database),
    usersOf: (name) =>
      set.list().flatMap(({ id, mounts }) => (mounts.some((point) => point.name === name) ? [id] : [])),
    events,
    log,
  });
  const networking = openNetworking({ table: tableOf(config), log });
  const networks = new NetworkStore({
    table: new NetworkTable(database),
    drivers: networking.drivers,
    namespaces: networking.namespaces,
    names: new Resolver({ source: new NameIndex(set), log }),
    host: networking.host,
    defaultBridge:
      config.bridge === 'none'
        ? undefined
        : { ...DEFAULT_BRIDGE, link: config.bridge, bip: config.bip || undefined },
    events,
    log,
    containerName: (id) => set.byId(id)?.name,
  });
  const fetcher = new RegistryClient(registryConfig(config));
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
      ...set.list().flatMap(({ mounts: points }) => points.flatMap(({ image }) => image?.layers ?? [])),
    ],
    unfinished: new UnfinishedTable(database),
    layerLimit: () => layerLimit(dataRoot, live.maxLayerSize),
    keepCompressed: () => live.keepCompressed,
    log,
  });

  const imageMounts: ImageMounts = new ImageMounts({
    directory: join(execRoot, 'images'),
    images,
    snapshotter,
    log,
  });

  const waiters = new Waiters();
  const etcFiles = new EtcFiles(paths, set, () => networks.find('bridge')?.subnets[0]?.gateway ?? '');
  const bundles = new BundleFiles({
    runtime,
    paths,
    machine,
    initProgram: findInitProgram(),
    cgroupParent: CGROUP_PARENT,
    containers: set,
    etcFiles,
  });
  const execs = new ExecSet({
    set,
    runtime,
    events,
    processOf: (container, request) => bundles.execProcess(container, request),
    log,
  });
  const autoRemove = (id: string): Promise<void> =>
    remover.remove(id, { force: false, volumes: true }).catch((error) => {
      log.error('removing a container that asked for it', { id, error });
    });
  const mounts = new ContainerMounts({
    volumes,
    snapshotter,
    shelf: new MountShelf(join(execRoot, 'm')),
    paths,
    events,
    log,
  });
  const supervisor = new Supervisor({
    mounts,
    set,
    runtime,
    snapshotter,
    networks,
    bundles,
    paths,
    waiters,
    events,
    log,
    autoRemove,
  });
  const remover = new ContainerRemover({
    set,
    supervisor,
    snapshotter,
    volumes,
    paths,
    waiters,
    execs,
    events,
    log,
  });
  runtime.onExit((exit) => {
    if (exit.execId !== undefined) execs.handleExit(exit);
    else {
      supervisor
        .handleExit(exit)
        .catch((error) => log.error('the end of a container', { id: exit.id, error }));
    }
  });
  const files = new ContainerFiles({
    set,
    runtime,
    snapshotter,
    images,
    paths,
    events,
    tarTree: writeTree,
  });
  const containers = new ContainerEngine({
    set,
    creator: new ContainerCreator({
      set,
      images,
      networks,
      volumes,
      snapshotter,
      paths,
      filler: new VolumeFiller(snapshotter, volumes, paths),
      initLayer,
      cgroups: machine.cgroups,
      logDefaults: () => live.logConfig,
      events,
      log,
    }),
    supervisor,
    networkChanges: new NetworkChanges({
      set,
      networks,
      exclusive: (id, body) => supervisor.exclusive(id, body),
      rewriteFiles: (before, after) => etcFiles.rewrite(before, after),
      log,
    }),
    remover,
    files,
    execs,
    waiters,
    runtime,
    snapshotter,
    images,
    readLog: (container, options) => readContainerLog(paths.log(container.id), container, options, waiters),
    events,
    log,
  });
  const health = new HealthMonitor({
    set,
    events,
    probe: (id, rules) => runProbe(execs, id, rules),
    onUnhealthy: () => {},
    log,
  });
  const statistics = new StatisticsSampler({
    set,
    runtime,
    interfaces: interfaceCounters,
    systemCpu: readSystemCpu,
    log,
  });
  const trees = new RootedThreads();
  const archives = new ContainerArchives({ set, supervisor, snapshotter, paths, trees, events });
  const recovery = new ContainerRecovery({
    set,
    runtime,
    supervisor,
    snapshotter,
    networks,
    mounts,
    volumes,
    paths,
    autoRemove,
    log,
  });
  const logKeeper = new LogKeeper({
    containers: () => set.list(),
    path: (id) => paths.log(id),
    rotate: async (id, path, keep) => {
      rotateLog(path, keep);
      await runtime.reopenLog(id);
    },
    compress: compressRotated,
    log,
  });
  events.subscribe(undefined, ({ type, action }) => {
    if (type === 'container' && action === 'start') logKeeper.wake();
  });
  const system = new HostSystem({
    id: new SettingTable(database).getOrSet('id', randomUUID),
    version: build.version,
    gitCommit: build.commit,
    buildTime: build.time,
    dataRoot,
    get labels() {
      return live.labels;
    },
    storageDriver: snapshotter.name,
    storageStatus: why === '' ? [] : [['Not EROFS', why]],
    networkDrivers: ['bridge', 'host', 'null'],
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
    components: [],
    initVersion: '',
    containers,
    images,
    eventListeners: () => events.listenerCount,
    debug: () => live.debug,
    logDriver: () => live.logConfig.type,
    logDrivers: DRIVER_NAMES,
  });

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
    images,
    imageMounts,
    check,
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
      const unfinished = await recovery.adopt();
      health.resume();
      return () => recovery.finish(unfinished);
    },
    /** Takes over what can change while it runs: labels, registries, debug. */
    reload(next: DaemonConfig): void {
      live = next;
      fetcher.configure(registryConfig(next));
      images.reviewForms();
    },
    /** In reverse. Containers go on. */
    async close(): Promise<void> {
      health.close();
      logKeeper.close();
      statistics.close();
      supervisor.close();
      trees.close();
      await images.close();
      await networks.close();
      networking.close();
      await runtime.close();
      encoder.close();
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
