import { messageOf } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { NetworkService } from '../networks/networks.ts';
import { publishingEndpoint } from './endpoints.ts';
import type { Container, ContainerEndpoint } from './model.ts';
import { networkMode } from './modes.ts';

type Networks = Pick<NetworkService, 'namespaceOf' | 'linksIn' | 'join' | 'route'>;

/** A container whose interfaces are not what its row says. */
interface Torn {
  readonly container: Container;
  readonly missing: readonly ContainerEndpoint[];
}

/** What the daemon calls the interfaces of containers. */
const INTERFACE = /^eth\d+$/;

/**
 * Mends containers that the last daemon was about to connect or disconnect when it went: the row decides. `look`
 * comes before leftovers are taken away, `mend` after. Who changed routes in a container that is whole keeps them.
 */
export class EndpointRepair {
  readonly #networks: Networks;
  readonly #log: Logger;
  #torn: Torn[] = [];

  constructor(networks: Networks, log: Logger) {
    this.#networks = networks;
    this.#log = log;
  }

  look(living: readonly Container[]): void {
    this.#torn = [];
    for (const container of living) {
      const mode = networkMode(container.hostConfig.networkMode);
      // Their namespace is not their own.
      if (mode.kind === 'container' || mode.word === 'host') continue;
      const present = this.#links(container);
      if (!present) continue;
      const missing = container.endpoints.filter(
        ({ interfaceName }) => interfaceName !== '' && !present.has(interfaceName),
      );
      const own = new Set(container.endpoints.map(({ interfaceName }) => interfaceName));
      const strays = [...present].filter((name) => INTERFACE.test(name) && !own.has(name));
      if (missing.length > 0 || strays.length > 0) this.#torn.push({ container, missing });
    }
  }

  async mend(): Promise<void> {
    for (const { container, missing } of this.#torn.splice(0)) {
      const { id, state, endpoints } = container;
      this.#log.info('completing the networks of a container', { id });
      try {
        const ns = this.#networks.namespaceOf(state.pid);
        try {
          for (const endpoint of missing) await this.#networks.join(endpoint, id, ns);
          this.#networks.route(publishingEndpoint(endpoints), ns);
        } finally {
          ns.close();
        }
      } catch (error) {
        this.#log.error('the networks of a container are not whole', { id, error: messageOf(error) });
      }
    }
  }

  #links({ id, state }: Container): Set<string> | undefined {
    try {
      const ns = this.#networks.namespaceOf(state.pid);
      try {
        return new Set(this.#networks.linksIn(ns));
      } finally {
        ns.close();
      }
    } catch (error) {
      this.#log.warn('the interfaces of a container could not be seen', { id, error: messageOf(error) });
      return undefined;
    }
  }
}
