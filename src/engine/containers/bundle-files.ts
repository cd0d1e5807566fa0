import { chownSync, mkdirSync } from 'node:fs';
import { mount } from '../../kernel/mount.ts';
import { outsideId } from '../../kernel/user-namespace.ts';
import { applyEdits } from '../../runtime/cdi/apply-edits.ts';
import type { CdiRegistry } from '../../runtime/cdi/cdi-registry.ts';
import type { Runtime } from '../../runtime/runtime.ts';
import { buildSpec } from '../../runtime/spec/build-spec.ts';
import { buildExecProcess } from '../../runtime/spec/exec-process.ts';
import { allHostDevices, resolveDevice } from '../../runtime/spec/host-devices.ts';
import type { MachineFacts } from '../../runtime/spec/input.ts';
import type { OciProcess, OciSpec } from '../../runtime/spec/oci-spec.ts';
import { readUserDatabase, resolveUser } from '../../runtime/spec/user.ts';
import type { BundleWriter } from './bundle-writer.ts';
import type { CgroupDriver } from './cgroup-path.ts';
import type { Connection } from './container-network.ts';
import type { ContainerSet } from './container-set.ts';
import type { ExecConfig } from './containers.ts';
import { requestedDevices } from './device-requests.ts';
import type { EtcFiles } from './etc-files.ts';
import { linkFacts } from './links.ts';
import type { Container } from './model.ts';
import type { ContainerPaths } from './paths.ts';
import { execInput, specInput } from './spec-input.ts';
import type { UserMapping } from './user-mapping.ts';

/** What writing bundles takes. */
export interface BundleFilesParts {
  readonly runtime: Pick<Runtime, 'writeBundle'>;
  readonly paths: ContainerPaths;
  readonly machine: MachineFacts;
  /** Path of the program for `--init` on the host. */
  readonly initProgram: string | undefined;
  readonly cgroupDriver: CgroupDriver;
  /** Devices that vendors describe. */
  readonly cdi: CdiRegistry;
  /** For legacy links. */
  readonly containers: Pick<ContainerSet, 'find' | 'list'>;
  readonly etcFiles: EtcFiles;
  readonly mapping: (container: Container) => UserMapping | undefined;
}

/** Writes /etc/hosts and its like, and the OCI configuration, for a container whose root is mounted. */
export class BundleFiles implements BundleWriter {
  readonly #parts: BundleFilesParts;

  constructor(parts: BundleFilesParts) {
    this.#parts = parts;
  }

  async write(
    container: Container,
    connection: Connection,
    find: (ref: string) => Container,
  ): Promise<string[]> {
    const { runtime, paths, machine, initProgram, cgroupDriver, etcFiles } = this.#parts;
    const { id, config, hostConfig } = container;
    const rootfs = paths.rootfs(id);
    if (hostConfig.ipcMode === 'shareable') mountShm(paths.shm(id), hostConfig.shmSize);
    const links = linkFacts(container, (ref) => this.#parts.containers.find(ref));
    const mapping = this.#parts.mapping(container);
    const files = etcFiles.write(container, connection, links);
    if (mapping && !connection.sharedWith) giveToRoot(Object.values(files), mapping);
    const input = specInput(container, {
      rootfs,
      user: resolveUser(config.user, hostConfig.groupAdd, readUserDatabase(rootfs)),
      network: connection.path,
      files,
      linkEnvironment: links.env,
      devices: hostConfig.privileged
        ? allHostDevices()
        : hostConfig.resources.devices.flatMap((device) => resolveDevice(device)),
      initProgram,
      initByDefault: false,
      cgroupDriver,
      shmDirectory: (other) => paths.shm(other),
      find,
      mapping,
      machine,
    });
    const { spec, warnings } = buildSpec(input);
    await runtime.writeBundle(paths.bundle(id), this.#withCdiDevices(container, spec));
    return warnings;
  }

  #withCdiDevices({ hostConfig }: Container, spec: OciSpec): OciSpec {
    const { cdi } = this.#parts;
    const requests = hostConfig.resources.deviceRequests;
    if (requests.length === 0) return spec;
    return applyEdits(spec, cdi.edits(requestedDevices(requests, cdi.list().devices)));
  }

  /** The process of an exec; its user is looked up in the running container's root. */
  execProcess(container: Container, exec: ExecConfig): OciProcess {
    const { machine } = this.#parts;
    const database = readUserDatabase(`/proc/${container.state.pid}/root`);
    const user = resolveUser(exec.user || container.config.user, container.hostConfig.groupAdd, database);
    const links = linkFacts(container, (ref) => this.#parts.containers.find(ref), 'running only');
    return buildExecProcess(execInput(container, exec, { user, machine, linkEnvironment: links.env }));
  }
}

/** As dockerd: the container's root may write its own files of /etc. */
function giveToRoot(paths: readonly string[], { uids, gids }: UserMapping): void {
  for (const path of paths) chownSync(path, outsideId(uids, 0), outsideId(gids, 0));
}

/** A shareable /dev/shm lives on the host so that other containers can mount it too. */
function mountShm(directory: string, size: number): void {
  mkdirSync(directory, { recursive: true });
  mount('tmpfs', 'shm', directory, ['nosuid', 'nodev', 'noexec', 'mode=1777', `size=${size}`]);
}
