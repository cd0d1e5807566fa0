import { fstatSync, readFileSync } from 'node:fs';
import { TareError } from '../../base/errors.ts';
import { SyscallError } from '../../kernel/errno.ts';
import { closeFd } from '../../kernel/namespaces.ts';
import { OpenFlag, openInRoot } from '../../kernel/openat2.ts';
import type { ResolvedUser } from './input.ts';

const MAX_ID = 2147483647;
/** A user data base larger than that is no user data base. Bytes. */
const MAX_FILE = 16 * 1024 * 1024;
const O_NONBLOCK = 0o4000;

/** The contents of an image's /etc/passwd and /etc/group; empty when missing. */
export interface UserDatabase {
  readonly passwd: string;
  readonly group: string;
}

/** Reads a mounted root's user data base; links never lead out of the root. */
export function readUserDatabase(rootfs: string): UserDatabase {
  return { passwd: readInRoot(rootfs, 'etc/passwd'), group: readInRoot(rootfs, 'etc/group') };
}

function readInRoot(rootfs: string, path: string): string {
  let fd: number;
  try {
    // Non-blocking: an image may have a FIFO there.
    fd = openInRoot(rootfs, path, OpenFlag.RDONLY | O_NONBLOCK);
  } catch (error) {
    if (error instanceof SyscallError) return '';
    throw error;
  }
  try {
    const stat = fstatSync(fd);
    return stat.isFile() && stat.size <= MAX_FILE ? readFileSync(fd, 'utf8') : '';
  } finally {
    closeFd(fd);
  }
}

interface PasswdEntry {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
  readonly home: string;
}

interface GroupEntry {
  readonly name: string;
  readonly gid: number;
  readonly members: readonly string[];
}

function* lines(text: string): Iterable<string[]> {
  for (const line of text.split('\n')) {
    if (line.trim() !== '' && !line.startsWith('#')) yield line.trim().split(':');
  }
}

function* passwdEntries(text: string): Iterable<PasswdEntry> {
  for (const [name = '', , uid, gid, , home = ''] of lines(text)) {
    yield { name, uid: Number(uid), gid: Number(gid), home };
  }
}

function* groupEntries(text: string): Iterable<GroupEntry> {
  for (const [name = '', , gid, members = ''] of lines(text)) {
    yield { name, gid: Number(gid), members: members === '' ? [] : members.split(',') };
  }
}

function find<T>(entries: Iterable<T>, matches: (entry: T) => boolean): T | undefined {
  for (const entry of entries) if (matches(entry)) return entry;
  return undefined;
}

/** A numeric id, undefined when the text is no number. Throws when it is out of range. */
function numeric(text: string): number | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined;
  const value = Number(text);
  if (value < 0 || value > MAX_ID) {
    throw new TareError('invalid', `uids and gids must be in range 0-${MAX_ID}`);
  }
  return value;
}

/**
 * Resolves `USER[:GROUP]` and additional groups, by name or number, as Docker does: a number need not be in the
 * data base, a name must. Without GROUP the user's own groups by /etc/group come along. Throws `invalid` in
 * Docker's words.
 */
export function resolveUser(text: string, groups: readonly string[], database: UserDatabase): ResolvedUser {
  const colon = text.indexOf(':');
  const userText = colon < 0 ? text : text.slice(0, colon);
  const groupText = colon < 0 ? '' : text.slice(colon + 1);
  const wanted = userText === '' ? '0' : userText;
  const byNumber = numeric(wanted);
  const entry = find(
    passwdEntries(database.passwd),
    (one) => one.name === wanted || (byNumber !== undefined && one.uid === byNumber),
  );
  if (!entry && byNumber === undefined) {
    throw new TareError('invalid', `unable to find user ${userText}: no matching entries in passwd file`);
  }
  const uid = entry?.uid ?? byNumber ?? 0;
  const gid = groupText === '' ? (entry?.gid ?? 0) : resolveGroup(groupText, database);
  const more = new Set<number>([gid]);
  if (groupText === '' && entry) {
    for (const group of groupEntries(database.group)) {
      if (group.members.includes(entry.name)) more.add(group.gid);
    }
  }
  for (const group of groups) more.add(resolveGroup(group, database));
  return { uid, gid, additionalGids: [...more], home: entry?.home || '/' };
}

function resolveGroup(text: string, database: UserDatabase): number {
  const byNumber = numeric(text);
  const entry = find(
    groupEntries(database.group),
    (one) => one.name === text || (byNumber !== undefined && one.gid === byNumber),
  );
  if (entry) return entry.gid;
  if (byNumber !== undefined) return byNumber;
  throw new TareError('invalid', `unable to find group ${text}: no matching entries in group file`);
}
