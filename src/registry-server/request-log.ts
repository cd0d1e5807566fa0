import type { Logger } from '../base/log.ts';

/** One request that was answered. */
export interface AnsweredRequest {
  readonly request: Request;
  readonly url: URL;
  readonly response: Response;
  readonly remote: string;
  readonly caller: string;
  readonly endpoint: string;
  /** `performance.now()` when it came. */
  readonly begin: number;
}

/** Hears of every request. */
export interface RequestLog {
  add(answered: AnsweredRequest): void;
}

/** A log line for each request; `observe` is for the metrics. */
export class LineRequestLog implements RequestLog {
  readonly #log: Logger;
  readonly #observe: (answered: AnsweredRequest, seconds: number, bytes: number) => void;

  constructor(log: Logger, observe: (answered: AnsweredRequest, seconds: number, bytes: number) => void) {
    this.#log = log;
    this.#observe = observe;
  }

  add(answered: AnsweredRequest): void {
    const { request, url, response, remote, caller, begin } = answered;
    const milliseconds = performance.now() - begin;
    const bytes = request.method === 'HEAD' ? 0 : Number(response.headers.get('content-length') ?? 0);
    this.#observe(answered, milliseconds / 1000, bytes);
    this.#log.info('request', {
      remote,
      user: caller,
      method: request.method,
      path: url.pathname + url.search,
      status: response.status,
      bytes,
      ms: Math.round(milliseconds),
      agent: request.headers.get('user-agent') ?? '-',
    });
  }
}
