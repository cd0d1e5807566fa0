import { TareError } from '../base/errors.ts';
import type { NetworkDriver, Publication } from './netdriver.ts';

/**
 * Networks without anything of their own in the kernel: `host` (the container stays in the daemon's namespace)
 * and `null` (nothing but loopback). Ports cannot be published in either; Docker discards such wishes with a
 * warning before they come here.
 */
export class PassiveDriver implements NetworkDriver {
  readonly name: 'host' | 'null';

  constructor(name: 'host' | 'null') {
    this.name = name;
  }

  async createNetwork(): Promise<void> {}
  async removeNetwork(): Promise<void> {}
  async join(): Promise<void> {}
  async leave(): Promise<void> {}
  async unplug(): Promise<void> {}

  async publish(
    _network: unknown,
    _endpoint: unknown,
    wanted: readonly Publication[],
  ): Promise<Publication[]> {
    if (wanted.length === 0) return [];
    throw new TareError('invalid', `ports cannot be published on a network of driver ${this.name}`);
  }

  async unpublish(): Promise<void> {}
  async restore(): Promise<void> {}
  async close(): Promise<void> {}
}
