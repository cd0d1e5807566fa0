import { chmodSync, chownSync, lstatSync, mkdirSync, readFileSync, unlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { dirname } from 'node:path';
import { isKind, messageOf, TareError } from '../base/errors.ts';

/** Groups that may use the socket, by preference. */
export const DEFAULT_GROUPS: readonly string[] = ['tare', 'docker'];

/** Gid of the first of `names` that the group file has. */
export function socketGroup(names: readonly string[], groupFile = '/etc/group'): number | undefined {
  let lines: string[];
  try {
    lines = readFileSync(groupFile, 'utf8').split('\n');
  } catch {
    return undefined;
  }
  for (const name of names) {
    const gid = Number(lines.find((line) => line.startsWith(`${name}:`))?.split(':')[2]);
    if (Number.isInteger(gid)) return gid;
  }
  return undefined;
}

/**
 * Makes room for a socket at `path`: creates its directory and removes a socket file that nobody listens on.
 * Throws `conflict` when somebody does, or when the file is no socket.
 */
export async function clearSocketPath(path: string): Promise<void> {
  mkdirSync(dirname(path), { recursive: true });
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isSocket()) {
    throw new TareError('conflict', `can't listen on unix://${path}: a file that is no socket is there`);
  }
  if (await answers(path)) {
    throw new TareError(
      'conflict',
      `can't listen on unix://${path}: another daemon answers there; stop it or choose another address with -H`,
    );
  }
  unlinkSync(path);
}

function answers(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect(path);
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', () => resolve(false));
  });
}

/**
 * Runs `listen` so that the socket it makes is born with mode 0660 (there is no moment in which others could
 * connect), then gives it to the socket group if the machine has one.
 */
export function withSocketMode(path: string, listen: () => void): void {
  const before = process.umask(0o117);
  try {
    listen();
  } catch (error) {
    if (isKind(error)) throw error;
    throw new TareError('invalid', `can't listen on unix://${path}: ${messageOf(error)}`, error);
  } finally {
    process.umask(before);
  }
}

/** Mode and group of a socket that is listened on. */
export function shareSocket(path: string, gid: number | undefined): void {
  chmodSync(path, 0o660);
  if (gid !== undefined && process.getuid?.() === 0) chownSync(path, 0, gid);
}
