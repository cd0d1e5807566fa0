import { writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { run } from './command.ts';

/** Debian's docker-registry, running on loopback. */
export interface RunningRegistry {
  /** `127.0.0.1:PORT`. */
  readonly host: string;
  /** Where its blobs are. */
  readonly root: string;
  stop(): Promise<void>;
}

export interface RegistryOptions {
  /** PEM files; without them it speaks plain http. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** PEM file of the authority whose certificate clients must show. */
  readonly clientAuthority?: string;
  readonly user?: { readonly username: string; readonly password: string };
  /** It is a pull-through cache of this base URL. */
  readonly proxyOf?: string;
  /** A network namespace of its own: the prefix of a command line that runs there, and a port that is free there. */
  readonly place?: { readonly inside: readonly string[]; readonly port: number };
}

/** Starts a registry with its files below `folder`, named `name`; resolves when it answers. */
export async function startDockerRegistry(
  folder: string,
  name: string,
  options: RegistryOptions = {},
): Promise<RunningRegistry> {
  const root = join(folder, name);
  const { inside, port } = options.place ?? { inside: [], port: await freePort() };
  const host = `127.0.0.1:${port}`;
  const lines = [
    'version: 0.1',
    'log: {level: error}',
    `storage: {filesystem: {rootdirectory: ${root}}, delete: {enabled: true}}`,
    `http: {addr: "${host}"${tlsOf(options)}}`,
  ];
  if (options.proxyOf !== undefined) lines.push(`proxy: {remoteurl: "${options.proxyOf}"}`);
  if (options.user !== undefined) {
    const htpasswd = join(folder, `${name}.htpasswd`);
    writeFileSync(htpasswd, `${options.user.username}:${bcrypt(options.user.password)}\n`);
    lines.push(`auth: {htpasswd: {realm: test, path: ${htpasswd}}}`);
  }
  const config = join(folder, `${name}.yml`);
  writeFileSync(config, `${lines.join('\n')}\n`);
  const child = Bun.spawn([...inside, 'docker-registry', 'serve', config], {
    stdout: 'ignore',
    stderr: 'ignore',
  });
  const stop = async () => {
    child.kill();
    await child.exited;
  };
  for (let i = 0; i < 200; i++) {
    if (child.exitCode !== null) throw new Error(`docker-registry ended with ${child.exitCode}`);
    if (await listens(port, inside)) return { host, root, stop };
    await Bun.sleep(50);
  }
  await stop();
  throw new Error('docker-registry does not listen');
}

function tlsOf({ tls, clientAuthority }: RegistryOptions): string {
  if (tls === undefined) return '';
  const clients = clientAuthority === undefined ? '' : `, clientcas: [${clientAuthority}]`;
  return `, tls: {certificate: ${tls.cert}, key: ${tls.key}${clients}}`;
}

/** All that docker-registry reads in an htpasswd file. */
function bcrypt(password: string): string {
  return Bun.password.hashSync(password, { algorithm: 'bcrypt', cost: 4 }).replace('$2b$', '$2y$');
}

async function listens(port: number, inside: readonly string[]): Promise<boolean> {
  if (inside.length > 0) {
    return (await run([...inside, 'bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${port}`])).code === 0;
  }
  try {
    const socket = await Bun.connect({ hostname: '127.0.0.1', port, socket: { data() {} } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
