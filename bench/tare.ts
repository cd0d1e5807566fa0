import { writeFileSync } from 'node:fs';
import { ensureBuilt } from '../scripts/ensure-built.ts';
import { must } from '../test/support/command.ts';
import { removeAll, startDaemon, untilReady } from './daemon.ts';
import { type Engine, Place } from './engine.ts';

/** This project's engine, as `dist/tare` is. */
export class TareEngine implements Engine {
  readonly name = 'tare';
  readonly #place = new Place('tare');
  readonly #socket = this.#place.path('tare.sock');
  #program = '';
  #daemon: Bun.Subprocess | undefined;

  get env(): Record<string, string> {
    return { TARE_HOST: `unix://${this.#socket}` };
  }

  async start(): Promise<void> {
    this.#program = process.env.TARE_BINARY ?? (await ensureBuilt()).path;
    await this.#place.open();
    const path = (name: string) => this.#place.path(name);
    writeFileSync(path('daemon.json'), '{}');
    const argv = [
      ...this.#place.inside,
      ...[this.#program, 'daemon', '-H', `unix://${this.#socket}`, '--config-file', path('daemon.json')],
      ...['--data-root', path('data'), '--exec-root', path('exec'), '--pidfile', path('pid')],
      ...['--bridge', 'tare0', '--bip', '172.17.0.1/16'],
    ];
    this.#daemon = startDaemon(argv, path('daemon.log'));
    await untilReady(this, this.#socket, path('daemon.log'), 20_000);
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
  }

  async version(): Promise<string> {
    return `tare ${await must(this.argv(['version', '--format', '{{.Server.Version}}']), { env: this.env })}`;
  }

  argv(args: readonly string[]): string[] {
    return [this.#program, ...args];
  }

  daemonPids(): number[] {
    return this.#place.pids((command) => !isHelper(command));
  }

  helperPids(): number[] {
    return this.#place.pids(isHelper);
  }
}

const isHelper = (command: string) => /^\S*(conmon|crun)\b/.test(command);
