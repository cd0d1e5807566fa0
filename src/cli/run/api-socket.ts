import type { ContainerCreateBody } from '../../wire/containers.ts';
import type { AuthConfig } from '../../wire/images.ts';
import { containerPath } from '../commands/each.ts';
import type { CommandContext } from '../context.ts';
import { credentialStore } from '../registry-auth.ts';

/**
 * `--use-api-socket`, as docker CLI 28 does it: the daemon's socket at the place where docker clients look for it, and
 * the user's logins in a configuration file of their own, since the container has neither the user's home nor the
 * credential helpers.
 */

/** Where clients of the engine look when nobody tells them. */
const SOCKET = '/var/run/docker.sock';
const CONFIG_FOLDER = '/run/secrets/docker';

/** What is to be done once the container exists. */
export type AfterCreate = (id: string) => Promise<void>;

/**
 * Adds the socket's mount to `body` and, when there are logins, the variable that leads to them. A container with a
 * `DOCKER_CONFIG` of its own gets no logins.
 * @returns what puts the logins into the container
 * @throws Error of a credential helper
 */
export async function addApiSocket(context: CommandContext, body: ContainerCreateBody): Promise<AfterCreate> {
  const Source = context.client.endpoint.socketPath;
  const mounts = body.HostConfig?.Mounts ?? [];
  body.HostConfig = {
    ...body.HostConfig,
    Mounts: [...mounts, { Type: 'bind', Source, Target: SOCKET, BindOptions: {} }],
  };
  if (body.Env?.some((entry) => entry.startsWith('DOCKER_CONFIG='))) return async () => {};
  const logins = await credentialStore(context).all();
  if (Object.keys(logins).length === 0) return async () => {};
  body.Env = [...(body.Env ?? []), `DOCKER_CONFIG=${CONFIG_FOLDER}`];
  return (id) => putLogins(context, id, logins);
}

/**
 * Into the writable layer, as docker does: a mount would not be there before the start, and `docker cp` finds it. It goes
 * with the container.
 */
async function putLogins(
  context: CommandContext,
  id: string,
  logins: Readonly<Record<string, AuthConfig>>,
): Promise<void> {
  const auths = Object.fromEntries(Object.entries(logins).map(([server, auth]) => [server, stored(auth)]));
  const content = Buffer.from(JSON.stringify({ auths }, undefined, '\t'));
  const { encodeTarHeader, tarEnd, tarPadding } = await import('../../archive/tar-writer.ts');
  const header = encodeTarHeader({
    type: 'file',
    name: `${CONFIG_FOLDER.slice(1)}/config.json`,
    mode: 0o600,
    size: content.length,
  });
  await context.client.send('PUT', containerPath(id, '/archive'), {
    query: { path: '/', noOverwriteDirNonDir: 'true' },
    headers: { 'Content-Type': 'application/x-tar' },
    body: Buffer.concat([header, content, tarPadding(content.length), tarEnd()]),
  });
}

/** An entry of `config.json`. */
function stored({ username = '', password = '', identitytoken, registrytoken }: AuthConfig) {
  return {
    ...(username === '' ? {} : { auth: Buffer.from(`${username}:${password}`).toString('base64') }),
    ...(identitytoken ? { identitytoken } : {}),
    ...(registrytoken ? { registrytoken } : {}),
  };
}
