import { spawnSync } from 'bun';
import {
  closeFd,
  insideNetwork,
  moveToNewNetwork,
  newNetworkNamespace,
} from '../../src/kernel/namespaces.ts';

/** The lab's address towards the outside host, and that host's own. */
export const LAB_ADDRESS = '198.51.100.1';
export const OUTSIDE_ADDRESS = '198.51.100.2';

/**
 * A network of the test's own: the test's thread moves into a new namespace, so that links, rules and sysctls of
 * the machine stay as they are. One more namespace stands for another host, `outside`. `close` brings the thread
 * back; the kernel takes everything down.
 */
export class NetworkLab {
  /** Descriptor of the other host's namespace. */
  readonly outside: number;
  readonly #leave: () => void;
  readonly #servers: Array<{ stop(force?: boolean): void }> = [];

  constructor() {
    this.#leave = moveToNewNetwork();
    this.outside = newNetworkNamespace();
    this.run('ip', 'link', 'set', 'lo', 'up');
    const there = `/proc/${process.pid}/fd/${this.outside}`;
    this.run('ip', 'link', 'add', 'up0', 'type', 'veth', 'peer', 'name', 'down0');
    // ip(8) knows namespaces by name or process only.
    const holder = Bun.spawn(['nsenter', `--net=${there}`, 'sleep', '60']);
    try {
      for (
        let tries = 0;
        spawnSync(['ip', 'link', 'set', 'down0', 'netns', String(holder.pid)]).exitCode !== 0;
      ) {
        if (tries++ > 50) throw new Error('the outside host could not be wired');
        Bun.sleepSync(10);
      }
      // Until nsenter has entered, its namespace is ours: then the link has not moved.
      while (spawnSync(['ip', 'link', 'show', 'down0']).exitCode === 0) {
        Bun.sleepSync(10);
        spawnSync(['ip', 'link', 'set', 'down0', 'netns', String(holder.pid)]);
      }
    } finally {
      holder.kill();
    }
    this.run('ip', 'address', 'add', `${LAB_ADDRESS}/24`, 'dev', 'up0');
    this.run('ip', 'link', 'set', 'up0', 'up');
    const outside = (...argv: string[]) => this.inside(this.outside, ...argv);
    outside('ip', 'link', 'set', 'lo', 'up');
    outside('ip', 'address', 'add', `${OUTSIDE_ADDRESS}/24`, 'dev', 'down0');
    outside('ip', 'link', 'set', 'down0', 'up');
  }

  /** Runs a program here; its output. Throws when it fails. */
  run(...argv: string[]): string {
    const result = spawnSync(argv);
    if (result.exitCode !== 0) throw new Error(`${argv.join(' ')}: ${result.stderr}`);
    return result.stdout.toString();
  }

  /** The same in a namespace. */
  inside(fd: number, ...argv: string[]): string {
    return this.run('nsenter', `--net=/proc/${process.pid}/fd/${fd}`, ...argv);
  }

  /** A TCP server in a namespace (undefined: here) that says its name and who asks. */
  serve(fd: number | undefined, name: string, port = 80): void {
    const listen = () =>
      Bun.listen({
        hostname: '0.0.0.0',
        port,
        socket: {
          open(socket) {
            socket.end(`${name} to ${socket.remoteAddress}\n`);
          },
          data() {},
        },
      });
    this.#servers.push(fd === undefined ? listen() : insideNetwork(fd, listen));
  }

  /** What a server answers to a client in a namespace (undefined: here); `silence` when nothing comes. */
  async ask(fd: number | undefined, host: string, port: number): Promise<string> {
    const enter = fd === undefined ? [] : ['nsenter', `--net=/proc/${process.pid}/fd/${fd}`];
    const child = Bun.spawn([...enter, 'busybox', 'timeout', '2', 'busybox', 'nc', host, String(port)], {
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const [text, problem] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    if (text !== '') return text.trim();
    return /refused/.test(problem) ? 'refused' : 'silence';
  }

  close(): void {
    for (const server of this.#servers) server.stop(true);
    closeFd(this.outside);
    this.#leave();
  }
}

/** Waits until `check` holds. Throws after five seconds. */
export async function eventually(what: string, check: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 250; tries++) {
    if (await check()) return;
    await Bun.sleep(20);
  }
  throw new Error(`did not come: ${what}`);
}
