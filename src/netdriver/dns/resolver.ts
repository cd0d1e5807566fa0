import { readFileSync } from 'node:fs';
import { TareError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { Semaphore } from '../../base/semaphore.ts';
import { closeFd, openFd } from '../../kernel/namespaces.ts';
import type { NetworkNamespace } from '../netdriver.ts';
import { AnswerCache } from './answer-cache.ts';
import { judge } from './answers.ts';
import type { NameService, NameSource, Upstream } from './dns.ts';
import { DnsListener } from './listener.ts';
import { askUpstream, type Place } from './upstream.ts';

/** Queries of one container that are under way at once: each has a socket. The next ones wait. */
const AT_ONCE = 100;
/** And those that wait: more are nobody's who still listens. */
const WAITING = 1000;

/** What answers for one container. */
interface Served {
  readonly listener: DnsListener;
  readonly cache: AnswerCache;
  readonly sockets: Semaphore;
  /** Queries that wait for upstream servers, or for a socket. */
  underWay: number;
  upstream: Upstream;
  /** Its namespace, held only where its own servers have to be asked from there. */
  place: Place;
}

/** The name service of all containers of this daemon. */
export class Resolver implements NameService {
  readonly #source: NameSource;
  readonly #hostServers: () => readonly string[];
  readonly #log: Logger;
  readonly #served = new Map<string, Served>();

  /** `hostServers`: the host's upstream servers as they are now. */
  constructor(options: { source: NameSource; hostServers?: () => readonly string[]; log: Logger }) {
    this.#source = options.source;
    this.#hostServers = options.hostServers ?? serversOfHost;
    this.#log = options.log;
  }

  async serve(containerId: string, ns: NetworkNamespace, upstream: Upstream): Promise<void> {
    const place = upstream.servers.length > 0 ? openFd(ns.path) : undefined;
    const before = this.#served.get(containerId);
    if (before) {
      if (before.place !== undefined) closeFd(before.place);
      Object.assign(before, { upstream, place });
      return;
    }
    try {
      const listener = await DnsListener.open(ns, (query, transport) =>
        this.#answer(containerId, query, transport),
      );
      this.#served.set(containerId, {
        listener,
        cache: new AnswerCache(this.#source),
        sockets: new Semaphore(AT_ONCE),
        underWay: 0,
        upstream,
        place,
      });
    } catch (error) {
      if (place !== undefined) closeFd(place);
      throw error;
    }
  }

  #answer(
    containerId: string,
    query: Uint8Array,
    transport: 'udp' | 'tcp',
  ): Uint8Array | undefined | Promise<Uint8Array | undefined> {
    const served = this.#served.get(containerId);
    if (!served) return undefined;
    const cache = transport === 'udp' ? served.cache : undefined;
    const known = cache?.find(query);
    if (known) return known;
    const verdict = judge(query, containerId, this.#source, transport === 'udp');
    if (verdict.kind === 'answer') {
      cache?.keep(query, verdict.bytes);
      return verdict.bytes;
    }
    if (verdict.kind === 'drop') return undefined;
    return served.upstream.internal
      ? verdict.refusal
      : this.#forward(containerId, served, query, transport, verdict.refusal);
  }

  async #forward(
    containerId: string,
    served: Served,
    query: Uint8Array,
    transport: 'udp' | 'tcp',
    refusal: Uint8Array,
  ): Promise<Uint8Array> {
    if (served.underWay >= AT_ONCE + WAITING) return refusal;
    const { servers } = served.upstream;
    const asked = servers.length > 0 ? servers : this.#hostServers();
    // Who waited may come when the container has gone, and its descriptor is somebody else's.
    const place = (): Place => {
      if (this.#served.get(containerId) !== served)
        throw new TareError('not-found', 'the container has ended');
      return served.place;
    };
    served.underWay++;
    const answer = await askUpstream(query, transport, asked, place, served.sockets).finally(
      () => served.underWay--,
    );
    if (!answer)
      this.#log.debug('no upstream name server answered', { container: containerId, servers: asked });
    return answer ?? refusal;
  }

  stop(containerId: string): void {
    const served = this.#served.get(containerId);
    if (!served) return;
    this.#served.delete(containerId);
    served.listener.close();
    if (served.place !== undefined) closeFd(served.place);
  }

  close(): void {
    for (const id of [...this.#served.keys()]) this.stop(id);
  }
}

/** Servers of the host's resolv.conf(5), its loopback ones too: they are asked from the host. */
function serversOfHost(): string[] {
  try {
    const text = readFileSync('/etc/resolv.conf', 'utf8');
    return [...text.matchAll(/^\s*nameserver\s+(\S+)/gm)].map((match) => match[1] ?? '');
  } catch {
    return [];
  }
}
