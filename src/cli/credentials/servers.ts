/** Docker Hub's key in the configuration file and for helpers. */
export const HUB_KEY = 'https://index.docker.io/v1/';

/** The registry of a repository as written: `localhost:5000/x` → `localhost:5000`, `busybox` → Docker Hub's key. */
export function serverOfRepository(repository: string): string {
  const first = repository.split('/')[0]!;
  const hasRegistry = repository.includes('/') && (/[.:]/.test(first) || first === 'localhost');
  return !hasRegistry || first === 'docker.io' || first === 'index.docker.io' ? HUB_KEY : first;
}

/** The key for a server that was given to login: several names mean Docker Hub. */
export function serverKey(server: string): string {
  return ['', 'docker.io', 'index.docker.io'].includes(server) ? HUB_KEY : server;
}

/** `https://host:5000/v2/` → `host:5000`. */
export function hostOfServer(server: string): string {
  return server.replace(/^https?:\/\//, '').split('/')[0]!;
}
