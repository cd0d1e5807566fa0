import { writeFileSync } from 'node:fs';
import { ensureBuilt } from '../scripts/ensure-built.ts';
import { busyboxTar } from '../test/support/busybox-image.ts';
import { must, until } from '../test/support/command.ts';
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
    const log = Bun.file(path('daemon.log'));
    this.#daemon = Bun.spawn(argv, { cwd: '/', stdin: 'ignore', stdout: log, stderr: log });
    await until('tare answers', () => answers(this.#socket), 20_000).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${await log.text()}`);
    });
    await must(this.argv(['import', '-c', 'CMD ["sh"]', await busyboxTar(), 'busybox']), { env: this.env });
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

/** True when something answers `/_ping` on the socket. */
export async function answers(socket: string): Promise<boolean> {
  try {
    return (await fetch('http://engine/_ping', { unix: socket })).ok;
  } catch {
    return false;
  }
}

/** Removes all containers of an engine. */
export async function removeAll(engine: Engine): Promise<void> {
  const list = await must(engine.argv(['ps', '-aq']), { env: engine.env }).catch(() => '');
  const ids = list.split('\n').filter(Boolean);
  const fast = engine.name.startsWith('podman') ? ['-t', '0'] : [];
  if (ids.length > 0)
    await must(engine.argv(['rm', '-f', ...fast, ...ids]), { env: engine.env, timeout: 600_000 });
}
