import { readFileSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { TareError } from '../base/errors.ts';
import { aroundKept, type UserMapping } from '../engine/containers/user-mapping.ts';
import { codeOf } from '../kernel/errno.ts';
import type { IdRange } from '../kernel/user-namespace.ts';

/** The user that `userns-remap: default` stands for. */
const DEFAULT_USER = 'dockremap';

/** The texts that name users and their ids (passwd(5), group(5), subuid(5), subgid(5)). */
export interface IdFiles {
  readonly passwd: string;
  readonly group: string;
  readonly subuid: string;
  readonly subgid: string;
}

/** Reads this machine's; a missing one is empty. */
export function readIdFiles(): IdFiles {
  const read = (path: string): string => {
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return '';
      throw error;
    }
  };
  return {
    passwd: read('/etc/passwd'),
    group: read('/etc/group'),
    subuid: read('/etc/subuid'),
    subgid: read('/etc/subgid'),
  };
}

/**
 * The mapping of `--userns-remap`: `default`, USER, USER:GROUP, UID or UID:GID; empty: none. Several ranges of a user
 * follow one another inside. Throws `invalid` for an unknown user and one without ranges.
 */
export function remapping(value: string, files: IdFiles): UserMapping | undefined {
  if (value === '') return undefined;
  const [user = '', group] = (value === 'default' ? DEFAULT_USER : value).split(':');
  const owner = entryOf(files.passwd, user, 'user');
  // As dockerd: to remap root with itself is to have no user namespaces.
  if (owner.name === 'root') return undefined;
  const own = entryOf(files.group, group ?? owner.gid, 'group');
  return {
    uids: rangesOf(files.subuid, [owner.name, owner.id], 'subuid', value),
    gids: rangesOf(files.subgid, [own.name, own.id], 'subgid', value),
  };
}

/**
 * The mapping of `--userns keep-id`: the user is itself, around it are its subordinate ids, else those of the daemon's
 * mapping. Throws `invalid` when there are neither.
 */
export function keeping(
  { uid, gid }: { readonly uid: number; readonly gid: number },
  files: IdFiles,
  remap: UserMapping | undefined,
): UserMapping {
  const owners = (text: string, id: number): string[] => {
    const name = text
      .split('\n')
      .find((line) => line.split(':')[2] === String(id))
      ?.split(':', 1)[0];
    return [...(name === undefined ? [] : [name]), String(id)];
  };
  const user = owners(files.passwd, uid);
  const ranges = (text: string, names: readonly string[], file: string, other?: readonly IdRange[]) =>
    other && !hasRanges(text, names) ? other : rangesOf(text, names, file, 'keep-id');
  return {
    uids: aroundKept(uid, ranges(files.subuid, user, 'subuid', remap?.uids)),
    // As useradd(8) writes it, the ranges of groups are under the user's name.
    gids: aroundKept(
      gid,
      ranges(files.subgid, [...user, ...owners(files.group, gid)], 'subgid', remap?.gids),
    ),
  };
}

function hasRanges(text: string, owners: readonly string[]): boolean {
  return text.split('\n').some((line) => owners.includes(line.split(':', 1)[0] ?? ''));
}

/**
 * Root of a container is another user of the host, who must find its way to what is mounted for it. Throws `invalid`, in
 * dockerd's words, for a directory on the way that only its owner may enter.
 */
export function checkWay(path: string): void {
  for (let at = path; at !== '/'; at = dirname(at)) {
    if ((statSync(at).mode & 0o001) !== 0) continue;
    throw new TareError(
      'invalid',
      `a subdirectory in your graphroot path (${path}) restricts access to the remapped root uid/gid; please fix by allowing 'o+x' permissions on existing directories: chmod o+x ${at}`,
    );
  }
}

/** A line of passwd(5) or group(5) by its name or number. */
function entryOf(
  text: string,
  wanted: string,
  what: 'user' | 'group',
): { name: string; id: string; gid: string } {
  for (const line of text.split('\n')) {
    const [name = '', , id = '', gid = ''] = line.split(':');
    if (name !== '' && (name === wanted || id === wanted)) return { name, id, gid };
  }
  throw new TareError(
    'invalid',
    `userns-remap: unable to find ${what} ${wanted}: create it, or name another one`,
  );
}

function rangesOf(text: string, owners: readonly string[], file: string, value: string): IdRange[] {
  const ranges: IdRange[] = [];
  let inside = 0;
  for (const line of text.split('\n')) {
    const match = /^([^:#]+):(\d+):(\d+)\s*$/.exec(line);
    if (!match || !owners.includes(match[1]!)) continue;
    const [outside, count] = [Number(match[2]), Number(match[3])];
    ranges.push({ inside, outside, count });
    inside += count;
  }
  if (ranges.length > 0) return ranges;
  throw new TareError(
    'invalid',
    `user namespaces of ${value}: no ${file} ranges found for ${owners[0]}: add a line such as "${owners[0]}:100000:65536" to /etc/${file}`,
  );
}
