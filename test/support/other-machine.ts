import { must, type Outcome, type RunOptions, run } from './command.ts';

/**
 * Another machine on a wire with that of an isolated daemon: a network namespace with one end of a veth pair. It has
 * routes to any network behind the daemon's machine, as a neighbour that tries to get in would set them.
 */
export class OtherMachine implements AsyncDisposable {
  /** The daemon's machine as seen from here, and this one's own address. */
  static readonly HOST = '198.51.100.1';
  static readonly OWN = '198.51.100.2';
  readonly #name: string;
  readonly #wire: string;

  private constructor(daemonNamespace: string) {
    this.#name = `${daemonNamespace}o`;
    this.#wire = 'wire0';
  }

  /** `daemonNamespace`: its name below /run/netns. */
  static async connect(daemonNamespace: string): Promise<OtherMachine> {
    const made = new OtherMachine(daemonNamespace);
    try {
      await must(['ip', 'netns', 'add', made.#name]);
      const wire = ['link', 'add', made.#wire, 'type', 'veth', 'peer', 'name', made.#wire];
      await must(['ip', '-n', daemonNamespace, ...wire, 'netns', made.#name]);
      for (const [namespace, address] of [
        [daemonNamespace, OtherMachine.HOST],
        [made.#name, OtherMachine.OWN],
      ] as const) {
        await must(['ip', '-n', namespace, 'address', 'add', `${address}/24`, 'dev', made.#wire]);
        await must(['ip', '-n', namespace, 'link', 'set', made.#wire, 'up']);
        await must(['ip', '-n', namespace, 'link', 'set', 'lo', 'up']);
      }
      await must(['ip', '-n', made.#name, 'route', 'add', 'default', 'via', OtherMachine.HOST]);
      return made;
    } catch (error) {
      await made[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Path of its network namespace. */
  get path(): string {
    return `/run/netns/${this.#name}`;
  }

  /** The command line that runs a program there. */
  argv(argv: readonly string[]): string[] {
    return ['nsenter', `--net=${this.path}`, '--', ...argv];
  }

  /** Runs a program there to its end. */
  run(argv: readonly string[], options: RunOptions = {}): Promise<Outcome> {
    return run(this.argv(argv), options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await run(['ip', 'netns', 'delete', this.#name]);
  }
}
