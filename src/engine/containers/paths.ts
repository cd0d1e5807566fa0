import { dirname, join } from 'node:path';

/** Where a container's files are. The data root survives a reboot, the exec root need not. */
export class ContainerPaths {
  readonly #dataRoot: string;
  readonly #execRoot: string;
  readonly #views: string;

  constructor(dataRoot: string, execRoot: string) {
    this.#dataRoot = join(dataRoot, 'containers');
    this.#execRoot = join(execRoot, 'c');
    this.#views = join(execRoot, 'v');
  }

  /** Where all that is kept lies. */
  get dataRoot(): string {
    return dirname(this.#dataRoot);
  }

  /** Parent of all containers' directories. */
  get root(): string {
    return this.#dataRoot;
  }

  /** Parent of all bundles. */
  get bundles(): string {
    return this.#execRoot;
  }

  directory(id: string): string {
    return join(this.#dataRoot, id);
  }

  hostname(id: string): string {
    return join(this.#dataRoot, id, 'hostname');
  }

  hosts(id: string): string {
    return join(this.#dataRoot, id, 'hosts');
  }

  resolvConf(id: string): string {
    return join(this.#dataRoot, id, 'resolv.conf');
  }

  /** The output, in CRI format (docs/adr). */
  log(id: string): string {
    return join(this.#dataRoot, id, 'container.log');
  }

  bundle(id: string): string {
    return join(this.#execRoot, id);
  }

  /** Where a shareable container's /dev/shm is mounted. */
  shm(id: string): string {
    return join(this.#execRoot, id, 'shm');
  }

  /** An empty directory: views of roots are mounted there, each in a mount namespace of its own. */
  get views(): string {
    return this.#views;
  }

  /** Where the root file system is mounted. */
  rootfs(id: string): string {
    return join(this.#execRoot, id, 'r');
  }
}
