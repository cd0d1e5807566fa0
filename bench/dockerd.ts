import { mkdirSync, writeFileSync } from 'node:fs';
import { must } from '../test/support/command.ts';
import { dockerCli } from '../test/support/daemon.ts';
import { removeAll, startDaemon, untilReady } from './daemon.ts';
import { type Engine, Place } from './engine.ts';
import type { OpenTree, Tree } from './tree.ts';

/** Docker's daemon with its containerd, from Debian: this system's, or that of a tree with a newer Debian. */
export class DockerEngine implements Engine {
  readonly name: string;
  readonly #tree: Tree | undefined;
  #open: OpenTree | undefined;
  readonly #place: Place;
  readonly #socket: string;
  #daemon: Bun.Subprocess | undefined;

  constructor(tree?: Tree) {
    this.name = tree ? 'dockerd new' : 'dockerd';
    this.#tree = tree;
    this.#place = new Place(tree ? 'dnew' : 'dockerd');
    this.#socket = this.#place.path('docker.sock');
  }

  get env(): Record<string, string> {
    return { DOCKER_HOST: `unix://${this.#socket}`, DOCKER_CONFIG: this.#place.path('client') };
  }

  async start(): Promise<void> {
    await this.#place.open();
    this.#open = await this.#tree?.open(this.#place.root);
    const path = (name: string) => this.#place.path(name);
    for (const name of ['client', 'data', 'exec', 'tmp']) mkdirSync(path(name), { recursive: true });
    writeFileSync(path('daemon.json'), '{}');
    const argv = [
      ...this.#place.inside,
      ...(this.#open?.prefix ?? []),
      ...['dockerd', '-H', `unix://${this.#socket}`, '--config-file', path('daemon.json')],
      ...['--data-root', path('data'), '--exec-root', path('exec'), '--pidfile', path('pid')],
      ...['--storage-driver', 'overlay2', '--exec-opt', 'native.cgroupdriver=cgroupfs'],
    ];
    this.#daemon = startDaemon(argv, path('daemon.log'));
    await untilReady(this, this.#socket, path('daemon.log'), 60_000);
  }

  get inside(): string[] {
    return this.#place.inside;
  }

  get store(): string {
    return this.#place.path('data');
  }

  async stop(): Promise<void> {
    try {
      await removeAll(this);
    } finally {
      await this.#takeAway();
    }
  }

  async #takeAway(): Promise<void> {
    this.#daemon?.kill('SIGTERM');
    await this.#daemon?.exited;
    await this.#place.close();
    await this.#open?.close();
  }

  async version(): Promise<string> {
    const format = 'dockerd {{.Server.Version}}, docker CLI {{.Client.Version}}';
    return must(this.argv(['version', '--format', format]), { env: this.env });
  }

  argv(args: readonly string[]): string[] {
    return [dockerCli(), ...args];
  }

  /** dockerd and the containerd that it starts. */
  daemonPids(): number[] {
    return this.#place.pids((command) => !isHelper(command) && !command.startsWith('nsenter'));
  }

  helperPids(): number[] {
    return this.#place.pids(isHelper);
  }

  /** Folder of the OCI bundle of a running container. */
  bundle(id: string): string {
    return this.#place.path('exec/containerd/daemon/io.containerd.runtime.v2.task/moby', id);
  }
}

const isHelper = (command: string) => /^\S*(containerd-shim|runc|docker-proxy)/.test(command);
