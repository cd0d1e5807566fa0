import type { AuthConfig } from '../wire/images.ts';
import type { ClientConfig } from './config.ts';

/** Docker Hub's key in the configuration file. */
const HUB_KEY = 'https://index.docker.io/v1/';

/** The registry of a repository as written: `localhost:5000/x` → `localhost:5000`, `busybox` → Docker Hub. */
function registryKey(repository: string): string {
  const first = repository.split('/')[0]!;
  const hasRegistry = repository.includes('/') && (/[.:]/.test(first) || first === 'localhost');
  return !hasRegistry || first === 'docker.io' || first === 'index.docker.io' ? HUB_KEY : first;
}

function credentials(config: ClientConfig, key: string): AuthConfig {
  const auths = config.auths ?? {};
  const name = Object.keys(auths).find(
    (one) => one === key || one.replace(/^https?:\/\//, '').split('/')[0] === key,
  );
  const entry = name === undefined ? undefined : auths[name];
  if (entry === undefined) return {};
  const decoded = entry.auth ? Buffer.from(entry.auth, 'base64').toString() : '';
  const colon = decoded.indexOf(':');
  return {
    ...(colon < 0
      ? {}
      : { username: decoded.slice(0, colon), password: decoded.slice(colon + 1).replace(/\0+$/, '') }),
    ...(entry.identitytoken ? { identitytoken: entry.identitytoken } : {}),
    ...(entry.registrytoken ? { registrytoken: entry.registrytoken } : {}),
    serveraddress: key,
  };
}

/** The header `X-Registry-Auth` for a repository: base64url of JSON, empty credentials when none are stored. */
export function registryAuth(config: ClientConfig, repository: string): string {
  const json = JSON.stringify(credentials(config, registryKey(repository)));
  return Buffer.from(json).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
}
