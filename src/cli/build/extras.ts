import { existsSync, realpathSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { BuildExtrasBody, BuildExtrasResponse } from '../../wire/build.ts';
import type { CommandContext } from '../context.ts';
import { CommandFailure } from '../failure.ts';
import { type CacheTo, parseCacheTo } from './cache-flags.ts';
import { type BuildContext, ignoreRules } from './context.ts';
import type { BuildFlags } from './refusals.ts';
import { readSecrets } from './secrets.ts';
import { keepsContexts, type SourceDirectory, sendContext } from './send-context.ts';
import { openAgents } from './ssh.ts';

export interface SentExtras {
  /** For the build's query; empty: there is nothing but Docker's own parameters, and the context is the body. */
  readonly request: string;
  /** The context went out already. */
  readonly sent: boolean;
  /** When the build is over. */
  close(): void;
}

const NOTHING: SentExtras = { request: '', sent: false, close: () => {} };

/**
 * Sends what Docker's API of builds has no room for: the changed files of directories, secrets, agents, the contexts of
 * `--build-context`.
 * @param told gets the bytes of the context that went out so far
 */
export async function sendExtras(
  context: CommandContext,
  flags: BuildFlags,
  source: BuildContext,
  told: (bytes: number) => void,
): Promise<SentExtras> {
  const cacheTo = cacheOf(flags['cache-to'].map(parseCacheTo));
  const needed = ['secret', 'ssh', 'build-context', 'no-cache-filter', 'cache-to'].find(
    (name) => flags[name as 'secret'].length > 0,
  );
  const mayKeep = source.directory !== undefined && !flags.compress;
  if (needed === undefined && !mayKeep) return NOTHING;
  if (!(await keepsContexts(context.client))) {
    if (needed === undefined) return NOTHING;
    throw new CommandFailure(`--${needed} needs a Tare daemon: this one does not take it without BuildKit`);
  }
  const { client, environment } = context;
  const secrets = readSecrets(flags.secret, environment);
  const agents = openAgents(flags.ssh, environment);
  try {
    const body: BuildExtrasBody = {
      Contexts: await sendNamed(context, flags['build-context']),
      ...(mayKeep && {
        Context: await sendContext(client, source.directory!, told),
        Dockerfile: source.directory!.dockerfile,
      }),
      Secrets: secrets,
      SSH: agents.sockets,
      ...(cacheTo && { CacheTo: cacheTo }),
      NoCacheFilter: flags['no-cache-filter'].flatMap((names) => names.split(',')),
    };
    const { Id } = await client.json<BuildExtrasResponse>('POST', '/tare/build/requests', { json: body });
    return { request: Id, sent: mayKeep, close: agents.close };
  } catch (error) {
    agents.close();
    throw error;
  }
}

/** What the daemon makes of the cache; the widest that is asked for. */
function cacheOf(to: readonly CacheTo[]): BuildExtrasBody['CacheTo'] {
  if (to.length === 0) return undefined;
  const modes = to.flatMap((one) => (one.type === 'inline' ? [] : [one.mode]));
  return {
    Inline: to.some(({ type }) => type === 'inline'),
    ...(modes.length > 0 && { Mode: modes.includes('max') ? 'max' : 'min' }),
  };
}

type NamedContexts = NonNullable<BuildExtrasBody['Contexts']>;

async function sendNamed(context: CommandContext, texts: readonly string[]): Promise<NamedContexts> {
  const found: Array<[string, NamedContexts[string]]> = [];
  for (const text of texts) {
    const equals = text.indexOf('=');
    if (equals <= 0) throw new CommandFailure(`invalid context value: ${text}, expected key=value`);
    const name = text.slice(0, equals).toLowerCase();
    const value = text.slice(equals + 1);
    if (value.startsWith('docker-image://')) {
      found.push([name, { Image: value.slice('docker-image://'.length) }]);
    } else {
      found.push([
        name,
        { Context: await sendContext(context.client, namedDirectory(name, value), () => {}) },
      ]);
    }
  }
  return Object.fromEntries(found);
}

function namedDirectory(name: string, value: string): SourceDirectory {
  if (/^(https?|git|ssh|oci-layout):\/\//.test(value)) {
    throw new CommandFailure(
      `--build-context ${name}=${value} is not supported: give a folder, or docker-image:// and an image`,
    );
  }
  if (!existsSync(value) || !statSync(value).isDirectory()) {
    throw new CommandFailure(`failed to get build context ${name}: ${value} is not a folder`);
  }
  const root = realpathSync(resolve(value));
  return { root, excluded: ignoreRules(root), rules: '' };
}
