import { isKind } from '../../../base/errors.ts';
import type { AuthConfig } from '../../../wire/images.ts';
import type { AuthResponse } from '../../../wire/registries.ts';
import { DaemonError, NoDaemonError } from '../../client/client.ts';
import { defineCommand } from '../../command.ts';
import type { CommandContext } from '../../context.ts';
import { configPath } from '../../credentials/config-file.ts';
import { HUB_KEY, serverKey } from '../../credentials/servers.ts';
import { CommandFailure, describeError } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { text, toggle } from '../../flags/kinds.ts';
import { PROGRAM } from '../../program.ts';
import { credentialStore } from '../../registry-auth.ts';
import { Prompter } from '../../terminal/prompt.ts';
import { stdinIsTerminal } from '../../terminal/terminal.ts';

const HUB_WORDS =
  "Log in with your Docker ID or email address to push and pull images from Docker Hub. If you don't have a Docker ID, head over to https://hub.docker.com/ to create one.\n" +
  'You can log in with your password or a Personal Access Token (PAT).\n\n';

interface Given {
  readonly username: string;
  readonly password: string;
}

export const command = defineCommand({
  name: 'login',
  summary: 'Authenticate to a registry',
  description: `Checks a user's password with the registry and keeps it: in the credential helper that
~/.docker/config.json names, else in that file. Without a server: Docker Hub.`,
  usage: '[OPTIONS] [SERVER]',
  args: { min: 0, max: 1 },
  completes: 'none',
  startsDaemon: false,
  flags: {
    password: flag(text, { short: 'p', help: 'Password or access token; others on this machine can see it' }),
    'password-stdin': flag(toggle, { help: 'Read the password or access token from stdin' }),
    username: flag(text, { short: 'u', help: 'User name' }),
  },
  async run(context, flags, args) {
    const given = await readGiven(context, flags);
    const server = serverKey(args[0] ?? '');
    let known = '';
    if (given.username === '' && given.password === '') {
      const stored = await storedCredentials(context, server);
      if (stored.username && stored.password) {
        const status = await tryStored(context, stored);
        if (status !== undefined) {
          context.console.out(`${status}\n`);
          return 0;
        }
        known = stored.username;
      }
    }
    const auth = await ask(context, server, given, known);
    context.console.out(`${await login(context, auth, false)}\n`);
    return 0;
  },
});

async function readGiven(
  context: CommandContext,
  flags: { username: string; password: string; 'password-stdin': boolean },
): Promise<Given> {
  const { username, password } = flags;
  if (password !== '' && flags['password-stdin']) {
    throw new CommandFailure('conflicting options: cannot specify both --password and --password-stdin');
  }
  if (password !== '') {
    context.console.err('WARNING! Using --password via the CLI is insecure. Use --password-stdin.\n');
  }
  if (!flags['password-stdin']) return { username, password };
  if (username === '') {
    throw new CommandFailure('the --password-stdin option requires --username to be set');
  }
  const input = await Bun.stdin.text();
  return { username, password: input.replace(/\r?\n$/, '') };
}

/** A helper that fails is no reason not to log in; storing will tell. */
async function storedCredentials(context: CommandContext, server: string): Promise<AuthConfig> {
  try {
    return await credentialStore(context).get(server);
  } catch {
    return {};
  }
}

async function tryStored(context: CommandContext, stored: AuthConfig): Promise<string | undefined> {
  context.console.err(
    `Authenticating with existing credentials... [Username: ${stored.username}]\n\n` +
      ` Info -> To login with a different account, run '${PROGRAM} logout' followed by '${PROGRAM} login'\n\n\n`,
  );
  try {
    return await login(context, stored, true);
  } catch (error) {
    const refused = isKind(error, 'unauthorized') || (error instanceof DaemonError && error.status === 401);
    context.console.err(
      refused
        ? 'Stored credentials invalid or expired\n'
        : `Login did not succeed, error: ${describeError(error)}\n`,
    );
    return undefined;
  }
}

async function ask(
  context: CommandContext,
  server: string,
  given: Given,
  known: string,
): Promise<AuthConfig> {
  let { username, password } = { username: given.username.trim(), password: given.password.trim() };
  if (username !== '' && password !== '') return { username, password, serveraddress: server };
  if (!stdinIsTerminal()) {
    throw new CommandFailure('Error: Cannot perform an interactive login from a non TTY device');
  }
  const prompter = new Prompter(context.console);
  try {
    if (username === '') {
      if (server === HUB_KEY) context.console.out(HUB_WORDS);
      const answer = await prompter.line(known === '' ? 'Username: ' : `Username (${known}): `);
      username = answer.trim() || known;
      if (username === '') throw new CommandFailure('Error: Non-null Username Required');
    }
    if (password === '') password = (await prompter.secret('Password: ')).trim();
    if (password === '') throw new CommandFailure('Error: Password Required');
  } finally {
    await prompter.close();
  }
  return { username, password, serveraddress: server };
}

/** The daemon asks the registry; where none answers, this client does, as docker's. */
async function check(context: CommandContext, auth: AuthConfig): Promise<AuthResponse> {
  try {
    return await context.client.json<AuthResponse>('POST', '/auth', { json: auth });
  } catch (error) {
    if (!(error instanceof NoDaemonError)) throw error;
    const { openRegistries } = await import('../../open-registries.ts');
    const registries = await openRegistries(context);
    const { username = '', password = '', serveraddress = '' } = auth;
    const signal = new AbortController().signal;
    const { identityToken } = await registries.checkLogin(serveraddress, { username, password }, signal);
    return { Status: 'Login Succeeded', IdentityToken: identityToken };
  }
}

/** Asks the daemon to check the credentials, and keeps them. Returns the daemon's words. */
async function login(context: CommandContext, auth: AuthConfig, stored: boolean): Promise<string> {
  const answer = await check(context, auth);
  const token = answer.IdentityToken ?? '';
  // What was stored and is still good stays as it is.
  if (stored && token === '') return answer.Status;
  const kept = token === '' ? auth : { ...auth, password: '', identitytoken: token };
  const unencrypted = await credentialStore(context).store(auth.serveraddress ?? '', kept);
  if (unencrypted) {
    context.console.err(
      `\nWARNING! Your credentials are stored unencrypted in '${configPath(context.configDir)}'.\n` +
        'Configure a credential helper to remove this warning. See\n' +
        'https://docs.docker.com/go/credential-store/\n\n',
    );
  }
  return answer.Status;
}
