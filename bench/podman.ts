import { mkdirSync } from 'node:fs';
import { busyboxTar } from '../test/support/busybox-image.ts';
import { must } from '../test/support/command.ts';
import { type Engine, Place } from './engine.ts';
import { removeAll } from './tare.ts';
import type { Tree } from './tree.ts';

/** podman wants 1,048,576 of each by default, which fails where the daemon may not raise its own limits. */
const LIMITS = ['--ulimit', 'nofile=8192:8192', '--ulimit', 'nproc=8192:8192'];

/** podman, which has no daemon: each command does all the work. */
export class PodmanEngine implements Engine {
  readonly name: string;
  readonly env: Record<string, string> = {};
  readonly #tree: Tree | undefined;
  readonly #place: Place;

  constructor(tree?: Tree) {
    this.name = tree ? 'podman new' : 'podman';
    this.#tree = tree;
    this.#place = new Place(tree ? 'pnew' : 'podman');
  }

  async start(): Promise<void> {
    await this.#place.open();
    for (const name of ['root', 'run', 'tmp', 'net']) mkdirSync(this.#place.path(name));
    await must(this.argv(['import', '-c', 'CMD ["sh"]', await this.#visibleTar(), 'busybox']));
  }

  /** The tar, copied to where a tree sees it too. */
  async #visibleTar(): Promise<string> {
    const copy = this.#place.path('busybox.tar');
    await Bun.write(copy, Bun.file(await busyboxTar()));
    return copy;
  }

  async stop(): Promise<void> {
    await removeAll(this);
    await this.#place.close();
  }

  async version(): Promise<string> {
    return `podman ${await must(this.argv(['version', '--format', '{{.Client.Version}}']))}`;
  }

  argv(args: readonly string[]): string[] {
    const path = (name: string) => this.#place.path(name);
    return [
      ...this.#place.inside,
      ...(this.#tree?.enter(this.#place.root) ?? []),
      ...['podman', '--root', path('root'), '--runroot', path('run'), '--tmpdir', path('tmp')],
      ...['--network-config-dir', path('net'), '--cgroup-manager', 'cgroupfs', '--events-backend', 'file'],
      ...(args[0] === 'run' ? ['run', ...LIMITS, ...args.slice(1)] : args),
    ];
  }

  daemonPids(): number[] {
    return [];
  }

  helperPids(): number[] {
    return this.#place.pids((command) => /^\S*(conmon|crun|runc)\b/.test(command));
  }
}
