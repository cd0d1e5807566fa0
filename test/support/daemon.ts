/**
 * A daemon for a test: its own data root, exec root, socket and bridge, on request its own network namespace.
 * `await using daemon = await startDaemon()` takes everything away at the end, and throws when the engine itself
 * left something behind.
 */
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ensureBuilt } from '../../scripts/ensure-built.ts';
import { busyboxTar } from './busybox-image.ts';
import { clearAway, traces } from './clear-away.ts';
import {
  describeFailure,
  must,
  type Outcome,
  type Running,
  type RunOptions,
  run,
  start,
  startTerminal,
  type Terminal,
  until,
} from './command.ts';

export interface DaemonOptions {
  /** In a network namespace of its own, without a way out: for tests of rules, ports and policies. */
  readonly isolated?: boolean;
  /** Prefix of the command line that leads into somebody else's network namespace. */
  readonly inside?: readonly string[];
  /** Further arguments of `tare daemon`. */
  readonly args?: readonly string[];
  /** Keys of its configuration file. */
  readonly config?: Readonly<Record<string, unknown>>;
  /** A folder to use instead of a new one; it stays. */
  readonly dataRoot?: string;
  /** Address of the bridge with prefix length. */
  readonly bip?: string;
  /** Without the busybox image. */
  readonly bare?: boolean;
  /** Further environment of the daemon. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * With `TARE_TEST_ENGINE=system` the tests use the one daemon that systemd runs (system-daemon.ts).
 *
 * With `TARE_TEST_ENGINE=dockerd` the same tests run against Docker's own daemon, and `tare` is the docker CLI: so a
 * test that expects something of Tare can be held against what Docker does.
 */
export const REFERENCE = process.env.TARE_TEST_ENGINE === 'dockerd';

let made = 0;

/** Starts a daemon, waits until it answers and gives it an image `busybox:latest`. */
export async function startDaemon(asked: DaemonOptions = {}): Promise<TestDaemon> {
  if (process.env.TARE_TEST_ENGINE === 'system') {
    const { systemDaemon } = await import('./system-daemon.ts');
    return systemDaemon(asked);
  }
  const options = REFERENCE ? { ...asked, isolated: true } : asked;
  const program = REFERENCE ? 'dockerd' : (process.env.TARE_BINARY ?? (await ensureBuilt()).path);
  const root = mkdtempSync('/tmp/tare-e2e-');
  // Root of a remapped container is another user outside, who must find its way to the root file system.
  chmodSync(root, 0o711);
  const number = (process.pid + ++made) % 60_000;
  const daemon = new TestDaemon(program, root, `te${number.toString(36)}x`, {
    bip: `10.${200 + ((number >> 8) % 50)}.${number & 255}.1/24`,
    ...options,
  });
  try {
    await daemon.start();
    if (!options.bare) await daemon.loadBusybox();
    return daemon;
  } catch (error) {
    await daemon.stop({ force: true });
    throw error;
  }
}

export class TestDaemon implements AsyncDisposable {
  readonly root: string;
  readonly bridge: string;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly socket: string;
  readonly #program: string;
  readonly #options: DaemonOptions;
  #process: Bun.Subprocess | undefined;
  readonly #containers = new Set<string>();

  constructor(program: string, root: string, bridge: string, options: DaemonOptions) {
    this.#program = program;
    this.#options = options;
    this.root = root;
    this.bridge = bridge;
    this.dataRoot = options.dataRoot ?? join(root, 'data');
    this.execRoot = join(root, 'exec');
    this.socket = join(root, 'tare.sock');
  }

  /** Path of the program. */
  get program(): string {
    return this.#program;
  }

  get pid(): number {
    return this.#process?.pid ?? 0;
  }

  get #namespace(): string[] {
    if (this.#options.inside !== undefined) return [...this.#options.inside];
    // `ip netns exec` would hide the cgroups below a new /sys.
    return this.#options.isolated ? ['nsenter', `--net=/run/netns/${this.bridge}`, '--'] : [];
  }

  /** The command line that starts the daemon. */
  get argv(): string[] {
    if (REFERENCE) return this.#dockerdArgv;
    return [
      ...this.#namespace,
      ...[this.#program, 'daemon', '-H', `unix://${this.socket}`],
      ...['--data-root', this.dataRoot, '--exec-root', this.execRoot, '--pidfile', join(this.root, 'pid')],
      ...['--bridge', this.bridge, '--bip', this.#options.bip!],
      ...['--config-file', join(this.root, 'daemon.json')],
      ...(this.#options.args ?? []),
    ];
  }

  get #dockerdArgv(): string[] {
    return [
      ...this.#namespace,
      ...[
        'dockerd',
        '-H',
        `unix://${this.socket}`,
        '--data-root',
        this.dataRoot,
        '--exec-root',
        this.execRoot,
      ],
      ...[
        '--pidfile',
        join(this.root, 'pid'),
        '--config-file',
        join(this.root, 'daemon.json'),
        '--live-restore',
      ],
    ];
  }

  /** Starts it (again) and waits until it answers. */
  async start(): Promise<void> {
    if (this.#options.isolated && !existsSync(`/run/netns/${this.bridge}`)) {
      await must(['ip', 'netns', 'add', this.bridge]);
      await must([...this.#namespace, 'ip', 'link', 'set', 'lo', 'up']);
    }
    const config = join(this.root, 'daemon.json');
    const { config: own = {} } = this.#options;
    const text = JSON.stringify(REFERENCE ? own : { 'log-level': 'debug', ...own });
    if (!existsSync(config)) writeFileSync(config, text);
    const log = Bun.file(join(this.root, 'daemon.log'));
    const before = existsSync(log.name!) ? readFileSync(log.name!) : '';
    writeFileSync(join(this.root, 'earlier.log'), before, { flag: 'a' });
    const child = Bun.spawn(this.argv, {
      cwd: '/',
      env: { ...process.env, ...this.#options.env },
      stdin: 'ignore',
      stdout: log,
      stderr: log,
    });
    this.#process = child;
    await until('the daemon answers', async () => {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(`the daemon ended:\n${this.log()}`);
      return this.#answers();
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.log()}`);
    });
  }

  async #answers(): Promise<boolean> {
    try {
      return (await this.request('GET', '/_ping')).ok;
    } catch {
      return false;
    }
  }

  /** What the daemon wrote since its last start (the last 3,000 bytes). */
  log(): string {
    const path = join(this.root, 'daemon.log');
    return existsSync(path)
      ? `--- daemon log\n${readFileSync(path, 'utf8').slice(-3000)}\n---`
      : '(no daemon log)';
  }

  /** Loads the busybox image the tests use, as `busybox:latest`. */
  async loadBusybox(...names: string[]): Promise<void> {
    for (const name of ['busybox:latest', ...names]) {
      await this.ok('tare', ['import', '-c', 'CMD ["sh"]', await busyboxTar(), name]);
    }
  }

  /** Sends a request and reads nothing of the body yet. `body`: JSON unless it is a string or bytes. */
  request(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    const raw =
      body === undefined || typeof body === 'string' || body instanceof Uint8Array || body instanceof Blob;
    return fetch(`http://tare${path}`, {
      unix: this.socket,
      method,
      headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      ...(body === undefined ? {} : { body: raw ? (body as string) : JSON.stringify(body) }),
    });
  }

  /** Runs one of the two clients to its end. */
  client(name: Client, args: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return run(this.argvOf(name, args), { ...options, env: { ...this.env(), ...options.env } });
  }
  tare(...args: string[]): Promise<Outcome> {
    return this.client('tare', args);
  }
  docker(...args: string[]): Promise<Outcome> {
    return this.client('docker', args);
  }

  /** Runs a client and throws, with the daemon's log, unless it ends with 0. Gives its output, trimmed at the end. */
  async ok(name: Client, args: readonly string[], options: RunOptions = {}): Promise<string> {
    const outcome = await this.client(name, args, options);
    if (outcome.code !== 0) throw new Error(`${describeFailure([name, ...args], outcome)}\n${this.log()}`);
    return outcome.stdout.trimEnd();
  }

  /** Starts a client with pipes. */
  open(name: Client, args: readonly string[]): Running {
    return start(this.argvOf(name, args), { env: this.env() });
  }

  /** Starts a client with a terminal of its own. */
  terminal(name: Client, args: readonly string[], size: { columns?: number; rows?: number } = {}): Terminal {
    return startTerminal(this.argvOf(name, args), { env: this.env(), ...size });
  }

  argvOf(name: Client, args: readonly string[]): string[] {
    return name === 'tare' && !REFERENCE ? [this.#program, ...args] : [dockerCli(), ...args];
  }

  env(): Record<string, string> {
    const config = join(this.root, 'client');
    mkdirSync(config, { recursive: true });
    return {
      DOCKER_HOST: `unix://${this.socket}`,
      TARE_HOST: `unix://${this.socket}`,
      DOCKER_CONFIG: config,
    };
  }

  /** Runs a program in the daemon's network namespace. */
  inNetwork(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return run([...this.#namespace, ...argv], options);
  }

  /** Ends the daemon at once; its containers go on. */
  async kill9(): Promise<void> {
    this.#process?.kill('SIGKILL');
    await this.#process?.exited;
  }

  /** Ends the daemon in order; its containers go on. */
  async terminate(): Promise<void> {
    this.#process?.kill('SIGTERM');
    const late = Bun.sleep(30_000).then(() => {
      this.#process?.kill('SIGKILL');
      throw new Error(`the daemon did not end within 30 s of SIGTERM\n${this.log()}`);
    });
    await Promise.race([this.#process?.exited, late]);
  }

  /** Full ids of all containers. */
  async ids(): Promise<string[]> {
    const list = (await (await this.request('GET', '/containers/json?all=1')).json()) as Array<{
      Id: string;
    }>;
    return list.map((container) => container.Id);
  }

  /**
   * Removes all containers, ends the daemon and takes away what is left. Throws when, containers gone and daemon
   * ended, the engine still had mounts, processes, groups or interfaces of containers; not with `force`.
   */
  async stop({ force = false } = {}): Promise<void> {
    const problems: string[] = [];
    try {
      if (this.#process && (await this.#answers())) {
        for (const id of await this.ids()) this.#containers.add(id);
        const gone = await Promise.all(
          [...this.#containers].map((id) => this.request('DELETE', `/containers/${id}?force=1&v=1`)),
        );
        for (const response of gone) {
          if (!response.ok && response.status !== 404) problems.push(`rm -f: ${await response.text()}`);
        }
        // A bridge outlives its daemon, as the containers in it may.
        await this.request('POST', '/networks/prune');
      }
      if (this.#process) await this.terminate();
      if (!REFERENCE) problems.push(...(await this.#settledTraces()));
    } catch (error) {
      problems.push(String(error));
    } finally {
      await clearAway(this.#mine());
      if (this.#options.isolated) await run(['ip', 'netns', 'delete', this.bridge]);
      if (problems.length > 0 && !force) problems.push(this.log());
      rmSync(this.root, { recursive: true, force: true });
    }
    if (problems.length > 0 && !force)
      throw new Error(`left behind or gone wrong at the end:\n${problems.join('\n')}`);
  }

  async #settledTraces(): Promise<string[]> {
    const end = Date.now() + 5000;
    for (;;) {
      const found = traces(this.#mine());
      if (found.length === 0 || Date.now() > end) return found;
      await Bun.sleep(100);
    }
  }

  /** What the daemon's containers hold right now, in words: mounts, processes, groups, interfaces. */
  traces(): string[] {
    return traces(this.#mine()).filter((line) => !line.startsWith(`process ${this.pid} `));
  }

  #mine() {
    return {
      roots: [this.root, this.dataRoot],
      ...(this.#options.dataRoot === undefined ? {} : { kept: this.#options.dataRoot }),
      bridge: this.bridge,
      isolated: this.#options.isolated === true || this.#options.inside !== undefined,
      containers: this.#containers,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop();
  }
}

export type Client = 'tare' | 'docker';
/** In the virtual machine one client must do: the other is tried outside, and time is short there. */
export const CLIENTS: readonly Client[] =
  process.env.TARE_TEST_ENGINE === 'system' ? ['tare'] : ['tare', 'docker'];

/** The stock docker CLI. */
export function dockerCli(): string {
  const path = Bun.which('docker');
  if (path === null) throw new Error('no docker CLI on the PATH; ./check installs it (scripts/packages.txt)');
  return path;
}
