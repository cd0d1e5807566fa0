import type { ContainerSummary } from '../../wire/containers.ts';
import type { ImageSummary } from '../../wire/images.ts';
import type { NetworkResource } from '../../wire/networks.ts';
import type { VolumeListResponse } from '../../wire/volumes.ts';
import type { EngineClient } from '../client/client.ts';
import type { ArgCompletion, Command, FlagTable } from '../command.ts';
import { GLOBAL_FLAGS } from '../global-flags.ts';
import { NOUNS, route, topNames } from '../tree.ts';

/** What a shell offers: words, or names of files. */
export interface Completion {
  readonly words: readonly string[];
  readonly files: boolean;
}

const FILES: Completion = { words: [], files: true };
const NOTHING: Completion = { words: [], files: false };
const of = (words: readonly string[]): Completion => ({ words, files: false });

function flagWords(flags: FlagTable): string[] {
  const visible = Object.entries(flags).filter(([, spec]) => !spec.hidden && spec.deprecated === undefined);
  return [...visible.map(([name]) => `--${name}`), '--help'].sort();
}

/** The flag that waits for its value at the end of `words`, if one does. */
function openFlag(flags: FlagTable, words: readonly string[]): string | undefined {
  const last = words.at(-1);
  if (last === undefined || !last.startsWith('-') || last.includes('=')) return undefined;
  const name = last.startsWith('--')
    ? last.slice(2)
    : Object.keys(flags).find((candidate) => flags[candidate]!.short === last.at(-1));
  const spec = name === undefined ? undefined : flags[name];
  return spec === undefined || spec.kind.implied !== undefined ? undefined : name;
}

/** The positional arguments among `words`. */
function positionals(flags: FlagTable, words: readonly string[]): string[] {
  return words.filter((word, index) => {
    if (word.startsWith('-')) return false;
    return index === 0 || openFlag(flags, words.slice(0, index)) === undefined;
  });
}

async function containerNames(client: EngineClient, all: boolean): Promise<string[]> {
  const list = await client.json<ContainerSummary[]>('GET', '/containers/json', { query: { all } });
  return list.flatMap(({ Names }) => Names.map((name) => name.replace(/^\//, '')));
}

async function namesOf(client: EngineClient, kind: ArgCompletion): Promise<string[]> {
  switch (kind) {
    case 'container':
      return await containerNames(client, true);
    case 'running-container':
      return await containerNames(client, false);
    case 'image': {
      const images = await client.json<ImageSummary[]>('GET', '/images/json');
      return images.flatMap(({ RepoTags }) => (RepoTags ?? []).filter((tag) => tag !== '<none>:<none>'));
    }
    case 'volume': {
      const { Volumes } = await client.json<VolumeListResponse>('GET', '/volumes');
      return (Volumes ?? []).map(({ Name }) => Name);
    }
    case 'network':
      return (await client.json<NetworkResource[]>('GET', '/networks')).map(({ Name }) => Name);
    default:
      return [];
  }
}

/** Flags whose values name things. */
const FLAG_NAMES: Readonly<Record<string, ArgCompletion>> = {
  network: 'network',
  net: 'network',
  'volumes-from': 'container',
  link: 'container',
};

const FLAG_FILES = [
  'cidfile',
  'config',
  'env-file',
  'input',
  'label-file',
  'output',
  'mount',
  'volume',
  'workdir',
];

async function completeFlagValue(client: EngineClient, flags: FlagTable, name: string): Promise<Completion> {
  const choices = flags[name]!.choices;
  if (choices !== undefined) return of(choices);
  const kind = FLAG_NAMES[name];
  if (kind !== undefined) return of(await namesOf(client, kind));
  return FLAG_FILES.includes(name) ? FILES : NOTHING;
}

async function completeCommand(
  client: EngineClient,
  command: Command,
  words: readonly string[],
  current: string,
): Promise<Completion> {
  const { flags } = command;
  const given = positionals(flags, words);
  const commandBegun = command.interspersed === false && given.length > 0;
  if (!commandBegun) {
    const open = openFlag(flags, words);
    if (open !== undefined) return await completeFlagValue(client, flags, open);
    if (current.startsWith('-')) return of(flagWords(flags));
  }
  const full = command.args.max !== undefined && given.length >= command.args.max;
  if (commandBegun) return FILES;
  if (full || command.completes === undefined || command.completes === 'none') return NOTHING;
  if (command.completes === 'file') return FILES;
  if (command.name === 'connect' || command.name === 'disconnect') {
    return of(await namesOf(client, given.length === 0 ? 'network' : 'container'));
  }
  return of(await namesOf(client, command.completes));
}

/**
 * What may stand at the place of `current`, after `words` (without the program's name). A daemon that doesn't
 * answer gives no names.
 */
export async function complete(
  client: EngineClient,
  words: readonly string[],
  current: string,
): Promise<Completion> {
  const begin = words.findIndex((word, index) => {
    return (
      !word.startsWith('-') && (index === 0 || openFlag(GLOBAL_FLAGS, words.slice(0, index)) === undefined)
    );
  });
  if (begin < 0) {
    if (openFlag(GLOBAL_FLAGS, words) !== undefined) return FILES;
    return of(current.startsWith('-') ? flagWords(GLOBAL_FLAGS) : topNames());
  }
  const [first = '', second] = words.slice(begin);
  const found = route(first, second);
  if (found.kind === 'noun') return of(Object.keys(NOUNS[first]!.verbs).sort());
  if (found.kind === 'unknown') return NOTHING;
  const { command } = await found.load();
  try {
    return await completeCommand(client, command, words.slice(begin + found.words), current);
  } catch {
    return NOTHING;
  }
}
