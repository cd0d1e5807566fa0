import { isIP } from 'node:net';
import { TareError } from '../../../base/errors.ts';
import { listListeners, socketOwners } from '../../../kernel/listeners.ts';
import { surveyFirewall } from '../../../netdriver/firewall-survey.ts';
import type { NetworkService } from '../../networks/networks.ts';
import type { ContainerSet } from '../container-set.ts';
import { isAlive } from '../lifecycle.ts';
import { explainContainer } from './explain-container.ts';
import { explainPort, type PortQuestion } from './explain-port.ts';
import type { Explanation } from './explanation.ts';
import type { NetworkFacts } from './facts.ts';

/** What explaining takes. */
export interface ExplainerParts {
  readonly set: ContainerSet;
  readonly networks: Pick<NetworkService, 'list'>;
  /** Bare addresses of the host. */
  readonly addresses: () => string[];
  readonly table: string;
  readonly filtered: boolean;
}

/** Says in words what happens to packets to a port of the host, or to and from a container. */
export class NetworkExplainer {
  readonly #parts: ExplainerParts;

  constructor(parts: ExplainerParts) {
    this.#parts = parts;
  }

  /** `target`: `[HOST:]PORT[/PROTOCOL]`, or a container. Throws `not-found`, `invalid`, `unavailable`. */
  async explain(target: string): Promise<Explanation> {
    const { set } = this.#parts;
    // A container may have a number for its name; who means the port writes `:8080`.
    const container = set.find(target);
    if (container) return explainContainer(container, await this.#facts());
    const question = parseTarget(target);
    if (!question) {
      throw new TareError(
        'not-found',
        `No such container: ${target} (and no port: these are [HOST:]PORT[/PROTOCOL])`,
      );
    }
    return explainPort(question, await this.#facts());
  }

  async #facts(): Promise<NetworkFacts> {
    const { set, networks, addresses, table, filtered } = this.#parts;
    const owners = socketOwners();
    const programs = listListeners('self').flatMap((listener) => {
      const owner = owners.get(listener.inode);
      return owner?.pid === process.pid
        ? []
        : [{ ...listener, program: owner ? `${owner.name} (pid ${owner.pid})` : 'a program' }];
    });
    return {
      table,
      filtered,
      chains: await surveyFirewall(),
      addresses: addresses(),
      programs,
      networks: networks.list(),
      containers: set.list().map((container) => ({
        container,
        listeners: isAlive(container.state) ? listListeners(container.state.pid) : [],
      })),
    };
  }
}

/** Reads `[HOST:]PORT[/PROTOCOL]`; undefined for anything else. */
export function parseTarget(target: string): PortQuestion | undefined {
  const match = /^(?:(.*):)?(\d{1,5})(?:\/(tcp|udp|sctp))?$/i.exec(target);
  if (!match) return undefined;
  const [, rawHost = '', digits = '', rawProtocol = 'tcp'] = match;
  const named = rawHost.replace(/^\[(.*)\]$/, '$1');
  const host = named === 'localhost' ? '127.0.0.1' : named === '0.0.0.0' || named === '::' ? '' : named;
  const port = Number(digits);
  if (port === 0 || port > 65_535 || (host !== '' && isIP(host) === 0)) return undefined;
  const protocol = rawProtocol.toLowerCase();
  return { host, port, protocol: protocol === 'udp' || protocol === 'sctp' ? protocol : 'tcp' };
}
