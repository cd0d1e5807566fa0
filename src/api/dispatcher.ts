import type { IncomingMessage } from 'node:http';
import type { Logger } from '../base/log.ts';
import type { ApiClient } from '../engine/containers/death.ts';
import { clientMessage, HttpError, isUnexpected, statusOf } from './errors.ts';
import { commonHeaders, Exchange, type Transport } from './exchange.ts';
import { type Route, Router } from './router.ts';
import { MAX_API_VERSION, parseApiVersion } from './versions.ts';

/** Brings a request to its route and what the route throws to the client. */
export class Dispatcher {
  readonly #router: Router;
  readonly #log: Logger;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #open = new Set<Exchange>();

  constructor(routes: Iterable<Route>, serverVersion: string, log: Logger) {
    this.#router = new Router(routes);
    this.#log = log;
    this.#headers = commonHeaders(serverVersion);
  }

  /** Requests that are being answered. */
  get open(): ReadonlySet<Exchange> {
    return this.#open;
  }

  /** Handles one request to its end. Never rejects. */
  async handle(request: IncomingMessage, transport: Transport, client?: ApiClient): Promise<void> {
    const url = request.url ?? '/';
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    const queryText = mark < 0 ? '' : url.slice(mark + 1);
    const x = new Exchange(request, transport, this.#headers, queryText, MAX_API_VERSION);
    x.client = client;
    this.#open.add(x);
    this.#log.debug('Calling API', { method: request.method ?? '', url });
    try {
      await this.#route(x, path);
    } catch (error) {
      this.#fail(x, error);
    } finally {
      this.#open.delete(x);
    }
  }

  async #route(x: Exchange, fullPath: string): Promise<void> {
    let path = fullPath;
    const versioned = /^\/v([0-9.]+)(\/.*)$/.exec(fullPath);
    if (versioned !== null) {
      x.version = parseApiVersion(versioned[1] ?? '');
      path = versioned[2] ?? '/';
    }
    const match = this.#router.find(x.request.method ?? 'GET', path);
    if (match === undefined || x.version < (match.route.minVersion ?? 0)) {
      throw new HttpError(404, 'page not found');
    }
    x.param = match.param;
    await match.route.handle(x);
  }

  #fail(x: Exchange, error: unknown): void {
    const status = statusOf(error);
    const fields = { method: x.request.method ?? '', url: x.request.url ?? '', status };
    if (isUnexpected(error)) {
      const stack = error instanceof Error ? (error.stack ?? '') : '';
      this.#log.error(`Handler returned error: ${clientMessage(error)}`, { ...fields, stack });
    } else {
      this.#log.debug(`Handler returned error: ${clientMessage(error)}`, fields);
    }
    if (x.begun) x.destroy();
    else if (status === 304) x.empty(304);
    else x.json(status, { message: clientMessage(error) });
  }
}
