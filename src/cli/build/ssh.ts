import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { CommandFailure } from '../failure.ts';

/** Agents for RUN --mount=type=ssh, by id; `close` ends those that were started for keys. */
export interface Agents {
  /** Paths of sockets. */
  readonly sockets: Readonly<Record<string, string>>;
  close(): void;
}

/**
 * Reads `--ssh`: `default`, `ID=SOCKET` or `ID=KEY[,KEY]`. Keys are given to an agent that lives as long as the build.
 * @throws CommandFailure
 */
export function openAgents(
  texts: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
): Agents {
  const sockets: Record<string, string> = {};
  const closers: Array<() => void> = [];
  const close = (): void => {
    for (const one of closers.splice(0)) one();
  };
  try {
    for (const text of texts) {
      const equals = text.indexOf('=');
      const id = (equals < 0 ? text : text.slice(0, equals)) || 'default';
      const paths = equals < 0 ? [] : text.slice(equals + 1).split(',');
      sockets[id] = socketOf(paths, environment, closers);
    }
    return { sockets, close };
  } catch (error) {
    close();
    throw error;
  }
}

function socketOf(
  paths: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  closers: Array<() => void>,
): string {
  const [first = environment.SSH_AUTH_SOCK ?? ''] = paths;
  if (first === '') {
    throw new CommandFailure(
      'invalid empty ssh agent socket: make sure SSH_AUTH_SOCK is set, or name a key with --ssh default=KEY',
    );
  }
  const kinds = (paths.length === 0 ? [first] : paths).map((path) => {
    const status = statSync(path, { throwIfNoEntry: false });
    if (status === undefined) throw new CommandFailure(`failed to open ${path}: no such file or directory`);
    return status.isSocket();
  });
  if (!kinds.includes(true)) return startAgent(paths, environment, closers);
  if (kinds.length > 1) throw new CommandFailure('invalid combination of keys and sockets in --ssh');
  return resolve(first);
}

function startAgent(
  keys: readonly string[],
  environment: Readonly<Record<string, string | undefined>>,
  closers: Array<() => void>,
): string {
  if (Bun.which('ssh-agent') === null) {
    throw new CommandFailure(
      'keys in --ssh need the program ssh-agent: install openssh-client, or name an agent',
    );
  }
  const folder = mkdtempSync(join(tmpdir(), 'tare-ssh-'));
  const socket = join(folder, 'agent');
  closers.push(() => rmSync(folder, { recursive: true, force: true }));
  const agent = Bun.spawn(['ssh-agent', '-D', '-a', socket], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'ignore',
  });
  closers.push(() => agent.kill());
  for (let i = 0; i < 200 && statSync(socket, { throwIfNoEntry: false }) === undefined; i++)
    Bun.sleepSync(10);
  for (const key of keys) {
    readFileSync(key);
    const added = Bun.spawnSync(['ssh-add', '-q', key], {
      env: { ...environment, SSH_AUTH_SOCK: socket, SSH_ASKPASS_REQUIRE: 'never' },
      stdin: 'ignore',
      stdout: 'ignore',
    });
    if (!added.success)
      throw new CommandFailure(`failed to read the ssh key ${key}: ${added.stderr.toString().trim()}`);
  }
  return socket;
}
