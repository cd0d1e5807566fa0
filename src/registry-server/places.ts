import { TareError } from '../base/errors.ts';
import type { Place } from './handlers/exchange.ts';
import type { ProxyRegistry } from './proxy/proxy-registry.ts';

/** An upstream as the command line names it. */
export interface ProxySetting {
  /** `docker.io`, `registry.example:5000`. */
  readonly host: string;
  readonly url: URL;
}

/** Reads `HOST=URL`, or a URL alone, whose host it then is. Throws `invalid`. */
export function parseProxy(text: string): ProxySetting {
  const match = /^(?:([a-z0-9.-]+(?::\d+)?)=)?(https?:\/\/.+)$/.exec(text);
  const url = match?.[2];
  if (url === undefined || !URL.canParse(url)) {
    throw new TareError(
      'invalid',
      `invalid proxy "${text}": use HOST=URL, as in docker.io=https://registry-1.docker.io`,
    );
  }
  return { host: match?.[1] ?? new URL(url).host, url: new URL(url) };
}

/** The first part of the names of an upstream's repositories here; a name has no colon. */
export function prefixOf(host: string): string {
  return host.replace(':', '_');
}

/**
 * Finds where a repository is: in a cache when its name begins with an upstream's (`docker.io/library/alpine`), or when
 * `namespace` names one, as containerd's `?ns=` does for a mirror (`library/alpine?ns=docker.io`); else here.
 */
export class Places {
  readonly #caches = new Map<string, ProxyRegistry>();
  readonly #here: Pick<Place, 'reader' | 'writer' | 'mayDelete'>;

  constructor(here: Pick<Place, 'reader' | 'writer' | 'mayDelete'>) {
    this.#here = here;
  }

  add(host: string, cache: ProxyRegistry): void {
    this.#caches.set(prefixOf(host), cache);
  }

  find(repository: string, namespace: string | undefined): Place {
    const named = namespace === undefined ? undefined : this.#cached(prefixOf(namespace), repository);
    if (named !== undefined) return named;
    const slash = repository.indexOf('/');
    const byPath = this.#cached(repository.slice(0, Math.max(slash, 0)), repository.slice(slash + 1));
    return byPath ?? { repository, scope: repository, ...this.#here };
  }

  #cached(prefix: string, path: string): Place | undefined {
    const reader = this.#caches.get(prefix);
    if (reader === undefined) return undefined;
    // Docker Hub's official images have one part less in what people write.
    const repository = prefix === 'docker.io' && !path.includes('/') ? `library/${path}` : path;
    return { repository, scope: `${prefix}/${repository}`, reader, writer: undefined, mayDelete: false };
  }
}
