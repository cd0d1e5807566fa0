/**
 * The daemon that the systemd unit runs, in place of one of the test's own: for tests in the virtual machine. One
 * daemon serves them all, so each test takes away its own containers, and nothing else.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { must, run, until } from './command.ts';
import { type DaemonOptions, TestDaemon } from './daemon.ts';

const PROGRAM = '/usr/local/bin/tare';

/** Starts it when it does not run and gives it busybox. Throws for a test that needs a daemon set up its own way. */
export async function systemDaemon(options: DaemonOptions): Promise<TestDaemon> {
  for (const name of ['args', 'env', 'inside', 'dataRoot'] as const) {
    if (options[name] !== undefined) {
      throw new Error(
        `this test wants a daemon with its own ${name}: it cannot use the one of systemd's unit`,
      );
    }
  }
  const daemon = new SystemDaemon(mkdtempSync('/tmp/tare-system-'));
  await daemon.start();
  await daemon.noteContainers();
  if (!options.bare) await daemon.loadBusybox();
  return daemon;
}

class SystemDaemon extends TestDaemon {
  override readonly dataRoot = '/var/lib/tare';
  override readonly execRoot = '/run/tare';
  override readonly socket = '/run/tare/tare.sock';
  readonly #before = new Set<string>();

  constructor(root: string) {
    super(PROGRAM, root, 'tare0', {});
  }

  override get pid(): number {
    return Number(Bun.spawnSync(['systemctl', 'show', '-P', 'MainPID', 'tare.service']).stdout.toString());
  }

  /** After an end by `kill9` systemd starts it by itself, after a while. */
  override async start(): Promise<void> {
    await must(['systemctl', 'start', 'tare.service']);
    await until('the daemon answers', async () => {
      try {
        return (await this.request('GET', '/_ping')).ok;
      } catch {
        return false;
      }
    }).catch((error: Error) => {
      throw new Error(`${error.message}\n${this.log()}`);
    });
  }

  override async kill9(): Promise<void> {
    const { pid } = this;
    await must(['systemctl', 'kill', '--signal=KILL', '--kill-whom=main', 'tare.service']);
    await until('systemd sees the end', () => this.pid !== pid);
  }

  override async terminate(): Promise<void> {
    // The socket would start it again at the next request.
    await must(['systemctl', 'stop', 'tare.socket', 'tare.service']);
  }

  override log(): string {
    const { stdout } = Bun.spawnSync([
      'journalctl',
      '-u',
      'tare.service',
      '-n',
      '15',
      '-o',
      'cat',
      '--no-pager',
    ]);
    return `--- daemon log\n${stdout.toString().slice(-4000)}\n---`;
  }

  override async loadBusybox(...names: string[]): Promise<void> {
    for (const name of ['busybox:latest', ...names]) {
      if ((await this.tare('image', 'inspect', name)).code !== 0) await super.loadBusybox(...names);
    }
  }

  /** What is there before the test is not the test's. */
  async noteContainers(): Promise<void> {
    for (const id of await this.ids()) this.#before.add(id);
  }

  /** Removes the test's containers; with what then still is of them it throws. */
  override async stop({ force = false } = {}): Promise<void> {
    try {
      await this.start();
      const mine = (await this.ids()).filter((id) => !this.#before.has(id));
      if (mine.length > 0) await this.client('tare', ['rm', '-f', '-v', ...mine], { timeout: 120_000 });
      const left = await traces(mine);
      if (left !== '' && !force) throw new Error(`left behind at the end:\n${left}\n${this.log()}`);
    } finally {
      rmSync(this.root, { recursive: true, force: true });
    }
  }
}

/** Groups and mounts that name one of the containers. */
async function traces(ids: readonly string[]): Promise<string> {
  if (ids.length === 0) return '';
  const pattern = ids.join('|');
  const groups = await run(['sh', '-c', 'find /sys/fs/cgroup -type d; cat /proc/self/mountinfo']);
  return groups.stdout
    .split('\n')
    .filter((line) => new RegExp(pattern).test(line))
    .join('\n');
}
