/** Docker's own daemon as a peer: with everything of its own, in a network namespace of its own. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { clearAway } from './clear-away.ts';
import { must, type Outcome, type RunOptions, run, until } from './command.ts';
import { dockerCli } from './daemon.ts';

export class Dockerd implements AsyncDisposable {
  /** Not in /tmp: that may be a file system in memory. */
  readonly root = mkdtempSync('/var/tmp/tare-dockerd-');
  readonly #namespace = `td-${process.pid}-${Date.now() % 100_000}`;
  #daemon: Bun.Subprocess | undefined;

  /** Starts it and waits until it answers. `config`: its daemon.json. */
  static async start(config: object = {}): Promise<Dockerd> {
    const peer = new Dockerd();
    try {
      await peer.#start(config);
      return peer;
    } catch (error) {
      await peer.stop();
      throw error;
    }
  }

  /** Prefix of a command line that runs beside it. */
  get inside(): string[] {
    return ['nsenter', `--net=/run/netns/${this.#namespace}`, '--'];
  }

  get #socket(): string {
    return join(this.root, 'docker.sock');
  }

  async #start(config: object): Promise<void> {
    await must(['ip', 'netns', 'add', this.#namespace]);
    await must([...this.inside, 'ip', 'link', 'set', 'lo', 'up']);
    for (const name of ['data', 'exec', 'client']) mkdirSync(join(this.root, name));
    writeFileSync(join(this.root, 'daemon.json'), JSON.stringify(config));
    await this.#launch();
  }

  /** Ends it in order and starts it again; with `live-restore` containers go on. */
  async restart(): Promise<void> {
    this.#daemon?.kill('SIGTERM');
    await this.#daemon?.exited;
    await this.#launch();
  }

  async #launch(): Promise<void> {
    const log = Bun.file(join(this.root, 'log'));
    const path = (name: string) => join(this.root, name);
    const argv = [
      ...this.inside,
      ...['dockerd', '-H', `unix://${this.#socket}`, '--config-file', path('daemon.json')],
      ...['--data-root', path('data'), '--exec-root', path('exec'), '--pidfile', path('pid')],
      ...['--exec-opt', 'native.cgroupdriver=cgroupfs'],
    ];
    const child = Bun.spawn(argv, { cwd: '/', stdin: 'ignore', stdout: log, stderr: log });
    this.#daemon = child;
    await until(
      'dockerd answers',
      async () => {
        if (child.exitCode !== null) throw new Error(`dockerd ended:\n${readFileSync(path('log'), 'utf8')}`);
        return (await this.docker('version')).code === 0;
      },
      60_000,
    );
  }

  /** Runs the stock client against it. */
  docker(...args: string[]): Promise<Outcome> {
    return run([dockerCli(), ...args], { env: this.env });
  }

  /** Like `docker`, throws unless it ends with 0; gives its output, trimmed at the end. */
  async ok(args: readonly string[], options: RunOptions = {}): Promise<string> {
    return must([dockerCli(), ...args], { ...options, env: { ...this.env, ...options.env } });
  }

  get env(): Record<string, string> {
    return { DOCKER_HOST: `unix://${this.#socket}`, DOCKER_CONFIG: join(this.root, 'client') };
  }

  /** Ends it and takes away all that it made. */
  async stop(): Promise<void> {
    this.#daemon?.kill('SIGTERM');
    await this.#daemon?.exited;
    await clearAway({ roots: [this.root], bridge: '', isolated: true, containers: new Set() });
    await run(['ip', 'netns', 'delete', this.#namespace]);
    removeBuildGroups();
    rmSync(this.root, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

/** Its builder leaves the cgroup that steps were below. One that another dockerd uses is not empty, and stays. */
function removeBuildGroups(): void {
  for (const hierarchy of readdirSync('/sys/fs/cgroup')) {
    try {
      rmdirSync(join('/sys/fs/cgroup', hierarchy, 'docker/buildkit'));
    } catch {}
  }
}
