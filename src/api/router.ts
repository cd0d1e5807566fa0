import { TareError } from '../base/errors.ts';
import type { Exchange } from './exchange.ts';

export type Handler = (x: Exchange) => void | Promise<void>;

/**
 * An endpoint as data. The pattern has at most one parameter: `/containers/{id}/start`; `{name*}` may contain
 * slashes (image references).
 */
export interface Route {
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  readonly pattern: string;
  /** Minor number of the first API version that has it. */
  readonly minVersion?: number;
  readonly handle: Handler;
}

export interface RouteMatch {
  readonly route: Route;
  readonly param: string;
}

interface Branch {
  /** By what follows the parameter: `''`, `/json`, `/attach/ws`. */
  readonly plain: Map<string, Route>;
  /** The same for parameters that may contain slashes. */
  readonly greedy: Map<string, Route>;
}

/** Finds the route of a path with three look-ups at most, however many routes there are. */
export class Router {
  readonly #exact = new Map<string, Route>();
  readonly #branches = new Map<string, Branch>();

  constructor(routes: Iterable<Route>) {
    for (const route of routes) this.#add(route);
  }

  #add(route: Route): void {
    const parts = /^(.*?)\/\{\w+(\*?)\}(.*)$/.exec(route.pattern);
    if (parts === null) {
      this.#put(this.#exact, `${route.method} ${route.pattern}`, route);
      return;
    }
    const key = `${route.method} ${parts[1]}`;
    let branch = this.#branches.get(key);
    if (branch === undefined) {
      branch = { plain: new Map(), greedy: new Map() };
      this.#branches.set(key, branch);
    }
    this.#put(parts[2] === '*' ? branch.greedy : branch.plain, parts[3] ?? '', route);
  }

  #put(map: Map<string, Route>, key: string, route: Route): void {
    if (map.has(key)) throw new Error(`two routes for ${route.method} ${route.pattern}`);
    map.set(key, route);
  }

  /** `path` is without version and query. Throws `invalid` when the parameter is badly escaped. */
  find(method: string, path: string): RouteMatch | undefined {
    const exact = this.#exact.get(`${method} ${path}`);
    if (exact !== undefined) return { route: exact, param: '' };
    const cut = path.indexOf('/', 1);
    if (cut < 0) return undefined;
    const branch = this.#branches.get(`${method} ${path.slice(0, cut)}`);
    if (branch === undefined) return undefined;
    const rest = path.slice(cut + 1);
    return findPlain(branch.plain, rest) ?? findGreedy(branch.greedy, rest);
  }
}

function findPlain(routes: ReadonlyMap<string, Route>, rest: string): RouteMatch | undefined {
  const cut = rest.indexOf('/');
  const route = routes.get(cut < 0 ? '' : rest.slice(cut));
  const param = cut < 0 ? rest : rest.slice(0, cut);
  return route === undefined || param === '' ? undefined : { route, param: unescapeParam(param) };
}

function findGreedy(routes: ReadonlyMap<string, Route>, rest: string): RouteMatch | undefined {
  const cut = rest.lastIndexOf('/');
  if (cut > 0) {
    const route = routes.get(rest.slice(cut));
    if (route !== undefined) return { route, param: unescapeParam(rest.slice(0, cut)) };
  }
  const route = routes.get('');
  return route === undefined || rest === '' ? undefined : { route, param: unescapeParam(rest) };
}

function unescapeParam(text: string): string {
  if (!text.includes('%')) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    throw new TareError('invalid', `bad escape in the path: ${text}`);
  }
}
