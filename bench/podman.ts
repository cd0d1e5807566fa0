import { mkdirSync } from 'node:fs';
import { busyboxTar } from '../test/support/busybox-image.ts';
import { must } from '../test/support/command.ts';
import { removeAll } from './daemon.ts';
import { type Engine, Place } from './engine.ts';
import type { OpenTree, Tree } from './tree.ts';

/** podman wants 1,048,576 of each by default, which fails where the daemon may not raise its own limits. */
const LIMITS = ['--ulimit', 'nofile=8192:8192', '--ulimit', 'nproc=8192:8192'];

/** podman, which has no daemon: each command does all the work. */
export class PodmanEngine implements Engine {
  readonly name: string;
  readonly env: Record<string, string> = { PODMAN_IGNORE_CGROUPSV1_WARNING: 'yes' };
  readonly #tree: Tree | undefined;
  #open: OpenTree | undefined;
  readonly #place: Place;

  constructor(tree?: Tree) {
    this.name = tree ? 'podman new' : 'podman';
    this.#tree = tree;
    this.#place = new Place(tree ? 'pnew' : 'podman');
  }

  async start(): Promise<void> {
    await this.#place.open();
    this.#open = await this.#tree?.open(this.#place.root);
    for (const name of ['root', 'run', 'tmp', 'net']) mkdirSync(this.#place.path(name));
    await must(this.argv(['import', '-c', 'CMD ["sh"]', await this.#visibleTar(), 'busybox']), {
      env: this.env,
    });
  }

  /** The tar, copied to where a tree sees it too. */
  async #visibleTar(): Promise<string> {
    const copy = this.#place.path('busybox.tar');
    await Bun.write(copy, Bun.file(await busyboxTar()));
    return copy;
  }

  get inside(): string[] {
    return this.#place.inside;
  }

  get store(): string {
    return this.#place.path('root');
  }

  async stop(): Promise<void> {
    try {
      await removeAll(this);
    } finally {
      await this.#takeAway();
    }
  }

  async #takeAway(): Promise<void> {
    await this.#place.close();
    await this.#open?.close();
  }

  async version(): Promise<string> {
    return `podman ${await must(this.argv(['version', '--format', '{{.Client.Version}}']), { env: this.env })}`;
  }

  argv(args: readonly string[]): string[] {
    const path = (name: string) => this.#place.path(name);
    return [
      ...this.#place.inside,
      ...(this.#open?.prefix ?? []),
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
