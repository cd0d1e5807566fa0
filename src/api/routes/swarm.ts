import { HttpError } from '../errors.ts';
import type { Route } from '../router.ts';

/** Docker's words where it is no part of a swarm. */
export const SWARM_OFF =
  'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.';

/** What belongs to a swarm answers as Docker does without one. */
export function swarmRoutes(): Route[] {
  const off = (method: Route['method'], pattern: string, words = SWARM_OFF): Route => ({
    method,
    pattern,
    handle() {
      throw new HttpError(503, words);
    },
  });
  const collections = ['services', 'secrets', 'configs'].flatMap((name) => [
    off('GET', `/${name}`),
    off('POST', `/${name}/create`),
    off('GET', `/${name}/{id}`),
    off('DELETE', `/${name}/{id}`),
    off('POST', `/${name}/{id}/update`),
  ]);
  return [
    ...collections,
    off('GET', '/services/{id}/logs'),
    off('GET', '/tasks'),
    off('GET', '/tasks/{id}'),
    off('GET', '/tasks/{id}/logs'),
    off('GET', '/nodes'),
    off('GET', '/nodes/{id}'),
    off('DELETE', '/nodes/{id}'),
    off('POST', '/nodes/{id}/update'),
    off('GET', '/swarm'),
    off('POST', '/swarm/init', 'swarm mode is not available: Tare runs containers on one machine'),
    off('POST', '/swarm/join', 'swarm mode is not available: Tare runs containers on one machine'),
    off('POST', '/swarm/leave', 'This node is not part of a swarm'),
    off('POST', '/swarm/update'),
    off('GET', '/swarm/unlockkey'),
    off('POST', '/swarm/unlock', 'This node is not part of a swarm'),
  ];
}
