import { join } from 'node:path';
import { RootedThreads } from '../archive/rooted/rooted-threads.ts';
import { writeTree } from '../archive/write-tree.ts';
import type { Logger } from '../base/log.ts';
import { BundleFiles } from '../engine/containers/bundle-files.ts';
import { ContainerArchives } from '../engine/containers/container-archives.ts';
import { ContainerEngine } from '../engine/containers/container-engine.ts';
import { ContainerFiles } from '../engine/containers/container-files.ts';
import { ContainerMounts } from '../engine/containers/container-mounts.ts';
import type { ContainerSet } from '../engine/containers/container-set.ts';
import type { LogOptions } from '../engine/containers/containers.ts';
import { ContainerCreator } from '../engine/containers/creator.ts';
import { EtcFiles } from '../engine/containers/etc-files.ts';
import { ExecSet } from '../engine/containers/exec-set.ts';
import { followRuntime, restartUnhealthy } from '../engine/containers/follow-runtime.ts';
import { HealthMonitor } from '../engine/containers/health-monitor.ts';
import { runProbe } from '../engine/containers/health-probe.ts';
import { readContainerLog } from '../engine/containers/logging/container-log.ts';
import type { Container } from '../engine/containers/model.ts';
import { MountShelf } from '../engine/containers/mount-shelf.ts';
import { NetworkChanges } from '../engine/containers/network-changes.ts';
import type { ContainerPaths } from '../engine/containers/paths.ts';
import { PostMortem } from '../engine/containers/post-mortem.ts';
import { ContainerRecovery } from '../engine/containers/recovery.ts';
import { ContainerRemover } from '../engine/containers/remover.ts';
import { RootMounter } from '../engine/containers/root-mounter.ts';
import { StatisticsSampler } from '../engine/containers/statistics-sampler.ts';
import { Supervisor } from '../engine/containers/supervisor.ts';
import { mappingOf, type UserMapping } from '../engine/containers/user-mapping.ts';
import { VolumeFiller } from '../engine/containers/volume-filler.ts';
import { Waiters } from '../engine/containers/waiters.ts';
import type { EventLog } from '../engine/events/event-log.ts';
import type { ImageStore } from '../engine/images/image-store.ts';
import type { NetworkStore } from '../engine/networks/network-store.ts';
import type { VolumeStore } from '../engine/volumes/volume-store.ts';
import { readKernelLog } from '../kernel/kernel-log.ts';
import { interfaceCounters } from '../netdriver/interface-counters.ts';
import type { CdiRegistry } from '../runtime/cdi/cdi-registry.ts';
import { bootId } from '../runtime/conmon/monitor-record.ts';
import { findInitProgram } from '../runtime/init-program.ts';
import { logSize } from '../runtime/log/log-files.ts';
import type { readMachine } from '../runtime/machine.ts';
import type { Runtime } from '../runtime/runtime.ts';
import { readSystemCpu } from '../runtime/system-cpu.ts';
import type { Snapshotter } from '../snapshots/snapshots.ts';
import type { DaemonConfig } from './config.ts';
import { composeLogs } from './log-compose.ts';
import { keeping, readIdFiles } from './subordinate-ids.ts';

/** Seconds that a container gets at most when the machine goes down; dockerd's `shutdown-timeout`. */
const SHUTDOWN_GRACE = 15;

/** How long a container with --rm stays for its log to be sent, milliseconds; Docker waits as long for its copier. */
const LOG_DRAIN = 2_000;

/** What the container services are put together from. */
export interface ContainerFoundation {
  readonly execRoot: string;
  readonly set: ContainerSet;
  readonly paths: ContainerPaths;
  readonly events: EventLog;
  readonly machine: ReturnType<typeof readMachine>;
  readonly runtime: Runtime;
  readonly snapshotter: Snapshotter;
  readonly volumes: VolumeStore;
  readonly networks: NetworkStore;
  readonly images: ImageStore;
  readonly initLayer: string;
  readonly cdi: CdiRegistry;
  /** Of --userns-remap. */
  readonly remap: UserMapping | undefined;
  /** The configuration as it is now. */
  readonly live: () => DaemonConfig;
  readonly log: Logger;
}

/** The services that containers are made of and run by, in the order of their dependencies. */
export function composeContainers(foundation: ContainerFoundation) {
  const { execRoot, set, paths, events, machine, runtime, snapshotter } = foundation;
  const { volumes, networks, images, initLayer, live, log } = foundation;
  const waiters = new Waiters();
  const readLog = (container: Container, options: LogOptions) =>
    readContainerLog(paths.log(container.id), container, options, waiters);
  const etcFiles = new EtcFiles(paths, set, () => networks.find('bridge')?.subnets[0]?.gateway ?? '');
  const mapping = (container: Container) => mappingOf(container, foundation.remap);
  const shelf = new MountShelf(join(execRoot, 'm'));
  const roots = new RootMounter({ snapshotter, paths, shelf, mapping });
  const bundles = new BundleFiles({
    runtime,
    paths,
    machine,
    initProgram: findInitProgram(),
    cgroupDriver: live().cgroupDriver,
    containers: set,
    cdi: foundation.cdi,
    mapping,
    etcFiles,
  });
  const execs = new ExecSet({
    set,
    runtime,
    events,
    processOf: (container, request) => bundles.execProcess(container, request),
    log,
  });
  const logs = composeLogs({ config: live(), set, paths, runtime, waiters, events, log });
  const autoRemove = async (id: string): Promise<void> => {
    await logs.shippers.drain(id, LOG_DRAIN);
    await remover.remove(id, { force: false, volumes: true }).catch((error) => {
      log.error('removing a container that asked for it', { id, error });
    });
  };
  const mounts = new ContainerMounts({
    volumes,
    snapshotter,
    shelf,
    userNamespace: (container) => roots.namespace(container),
    paths,
    events,
    log,
  });
  const supervisor = new Supervisor({
    checkLogDriver: (container) => logs.shippers.check(container),
    mounts,
    set,
    runtime,
    roots,
    networks,
    bundles,
    paths,
    waiters,
    events,
    log,
    autoRemove,
    postMortem: new PostMortem({ readLog, kernelLog: readKernelLog, boot: bootId() }),
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
  followRuntime(runtime, { execs, supervisor, set, events, log });
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
      filler: new VolumeFiller(snapshotter, volumes, paths, log),
      initLayer,
      remap: foundation.remap,
      keepUser: (user) => keeping(user, readIdFiles(), foundation.remap),
      machine,
      defaults: () => live().containerDefaults,
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
    machine,
    paths,
    snapshotter,
    images,
    networks,
    logSize: (id) => logSize(paths.log(id)),
    readLog,
    events,
    log,
  });
  const health = new HealthMonitor({
    set,
    events,
    probe: (id, rules) => runProbe(execs, id, rules),
    onUnhealthy: restartUnhealthy({ supervisor, log }),
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
  const archives = new ContainerArchives({
    set,
    supervisor,
    snapshotter,
    mounts,
    paths,
    trees,
    mapping,
    events,
  });
  const recovery = new ContainerRecovery({
    set,
    runtime,
    supervisor,
    snapshotter,
    networks,
    mounts,
    volumes,
    paths,
    completeFiles: (container) => etcFiles.complete(container),
    autoRemove,
    log,
  });
  return {
    containers,
    statistics,
    archives,
    recovery,
    health,
    logs,
    /** Ends all containers, because the machine goes down. */
    async endAll(): Promise<void> {
      health.close();
      await supervisor.endAll(SHUTDOWN_GRACE);
    },
    /** In reverse. Containers go on. */
    close(): void {
      health.close();
      logs.close();
      statistics.close();
      supervisor.close();
      trees.close();
    },
  };
}
