import { join } from 'node:path';
import { ensureBuilt } from '../../scripts/ensure-built.ts';
import { type Running, start } from './command.ts';

export interface RegistryProcessOptions {
  readonly root: string;
  /** Flags of `tare registry serve` beside root and address. */
  readonly args?: readonly string[];
  /** Prefix of the command line, to run it in another network namespace. */
  readonly inside?: readonly string[];
  /** `host:port`; default: a free port. */
  readonly address?: string;
}

/** `tare registry serve` as a process of its own, which can be killed. */
export class RegistryProcess {
  /** `host:port`. */
  readonly host: string;
  readonly #process: Running;

  private constructor(host: string, process: Running) {
    this.host = host;
    this.#process = process;
  }

  /** Resolves when it is ready. */
  static async start(options: RegistryProcessOptions): Promise<RegistryProcess> {
    const program = process.env.TARE_BINARY ?? (await ensureBuilt()).path;
    const child = start([
      ...(options.inside ?? []),
      ...[program, 'registry', 'serve', '--root', join(options.root)],
      ...['--addr', options.address ?? '127.0.0.1:0', ...(options.args ?? [])],
    ]);
    await child.waitFor('registry is ready');
    const host = /address=(\S+)/.exec(child.output())?.[1];
    if (host === undefined) throw new Error(`no address in: ${child.output()}`);
    return new RegistryProcess(host, child);
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Its log so far. */
  log(): string {
    return this.#process.output();
  }

  /** Ends it as a crash does. */
  async kill(): Promise<void> {
    this.#process.signal('SIGKILL');
    await this.#process.exited();
  }

  /** Ends it in order and returns its exit code. */
  async stop(): Promise<number> {
    this.#process.signal('SIGTERM');
    return this.#process.exited();
  }

  signal(signal: NodeJS.Signals): void {
    this.#process.signal(signal);
  }

  request(path: string, init: RequestInit = {}): Promise<Response> {
    return fetch(`http://${this.host}${path}`, { proxy: false, ...init } as RequestInit);
  }
}
