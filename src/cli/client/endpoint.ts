import { TareError } from '../../base/errors.ts';

/** Where the daemon listens unless told otherwise. */
export const DEFAULT_HOST = 'unix:///run/tare/tare.sock';

/** A daemon's address. */
export interface Endpoint {
  /** As the user wrote it, for messages. */
  readonly host: string;
  readonly socketPath: string;
  /** Nobody chose it: the client may start a daemon there. */
  readonly isDefault: boolean;
}

/**
 * Chooses the daemon: `-H`, then TARE_HOST, then DOCKER_HOST, then the default.
 * @throws TareError `invalid` for an address of a kind that this version does not speak.
 */
export function chooseEndpoint(
  hosts: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Endpoint {
  if (hosts.length > 1) throw new TareError('invalid', 'specify only one -H');
  const chosen = hosts[0] || environment.TARE_HOST || environment.DOCKER_HOST;
  return { ...parseHost(chosen || DEFAULT_HOST), isDefault: !chosen };
}

function parseHost(text: string): { host: string; socketPath: string } {
  if (text.startsWith('unix://')) {
    const socketPath = text.slice('unix://'.length);
    if (socketPath !== '') return { host: text, socketPath };
    throw new TareError(
      'invalid',
      `invalid address ${text}: write the socket's path, such as ${DEFAULT_HOST}`,
    );
  }
  if (text.startsWith('/')) return { host: `unix://${text}`, socketPath: text };
  if (text.startsWith('fd://')) {
    throw new TareError(
      'invalid',
      `${text} is an address for the daemon to listen on; a client uses unix://PATH`,
    );
  }
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(text)?.[1];
  if (scheme === 'tcp' || scheme === 'http' || scheme === 'https') {
    throw new TareError(
      'invalid',
      `${text}: ${scheme}:// needs TLS, which comes in a later version; use a unix:// address`,
    );
  }
  throw new TareError(
    'invalid',
    `unable to parse docker host \`${text}\`: use an address such as ${DEFAULT_HOST}`,
  );
}
