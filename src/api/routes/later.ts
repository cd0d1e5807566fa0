import { HttpError, notYet } from '../errors.ts';
import type { Route } from '../router.ts';

/** Endpoints that this version does not have, and those that stay empty. */
export function laterRoutes(): Route[] {
  const later = (method: Route['method'], pattern: string, what: string): Route => ({
    method,
    pattern,
    handle() {
      throw notYet(what);
    },
  });
  const noPlugin = (method: Route['method'], pattern: string): Route => ({
    method,
    pattern,
    handle(x) {
      throw new HttpError(404, `plugin "${x.param}" not found`);
    },
  });
  return [
    { method: 'GET', pattern: '/plugins', handle: (x) => x.json(200, []) },
    noPlugin('GET', '/plugins/{name*}/json'),
    noPlugin('DELETE', '/plugins/{name*}'),
    noPlugin('POST', '/plugins/{name*}/enable'),
    noPlugin('POST', '/plugins/{name*}/disable'),
    noPlugin('POST', '/plugins/{name*}/upgrade'),
    noPlugin('POST', '/plugins/{name*}/push'),
    noPlugin('POST', '/plugins/{name*}/set'),
    later('GET', '/plugins/privileges', 'managed plugins'),
    later('POST', '/plugins/pull', 'managed plugins'),
    later('POST', '/plugins/create', 'managed plugins'),
  ];
}
