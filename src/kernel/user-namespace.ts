import { readlinkSync, writeFileSync } from 'node:fs';
import { TareError } from '../base/errors.ts';
import { openFd } from './namespaces.ts';

/** `count` ids from `inside` on are those from `outside` on in the parent namespace (user_namespaces(7)). */
export interface IdRange {
  readonly inside: number;
  readonly outside: number;
  readonly count: number;
}

/** The id that the kernel shows for those that a namespace does not map. */
const NOBODY = 65_534;

/** The parent namespace's id of one inside. */
export function outsideId(ranges: readonly IdRange[], id: number): number {
  const range = ranges.find(({ inside, count }) => id >= inside && id < inside + count);
  return range === undefined ? NOBODY : range.outside + (id - range.inside);
}

/** The id inside of one of the parent namespace. */
export function insideId(ranges: readonly IdRange[], id: number): number {
  const range = ranges.find(({ outside, count }) => id >= outside && id < outside + count);
  return range === undefined ? NOBODY : range.inside + (id - range.outside);
}

/** One more than the greatest id; the last one, 2^32 - 1, means none. */
const ID_END = 2 ** 32 - 1;

/** All ids as they are, but `inside` is `outside`; what these two would otherwise be is left unmapped. */
export function oneIdMoved(inside: number, outside: number): IdRange[] {
  const ranges: IdRange[] = [{ inside, outside, count: 1 }];
  let start = 0;
  for (const stop of [...new Set([inside, outside])].sort((a, b) => a - b)) {
    if (stop > start) ranges.push({ inside: start, outside: start, count: stop - start });
    start = stop + 1;
  }
  if (start < ID_END) ranges.push({ inside: start, outside: start, count: ID_END - start });
  return ranges;
}

/**
 * A user namespace with these maps and no process: a descriptor of it, which the caller closes. A process makes it,
 * as a program with threads cannot (unshare(2), CLONE_NEWUSER).
 */
export async function openUserNamespace(uids: readonly IdRange[], gids: readonly IdRange[]): Promise<number> {
  const child = Bun.spawn(['unshare', '--user', '--', 'cat'], {
    stdin: 'pipe',
    stdout: 'ignore',
    stderr: 'ignore',
  });
  try {
    const path = `/proc/${child.pid}/ns/user`;
    const own = readlinkSync('/proc/self/ns/user');
    for (let wait = 1; readlinkSync(path) === own; wait = Math.min(wait * 2, 50)) {
      if (child.exitCode !== null) {
        throw new TareError(
          'not-implemented',
          'this machine allows no user namespaces (sysctl user.max_user_namespaces)',
        );
      }
      await Bun.sleep(wait);
    }
    writeFileSync(`/proc/${child.pid}/uid_map`, mapText(uids));
    writeFileSync(`/proc/${child.pid}/gid_map`, mapText(gids));
    return openFd(path);
  } finally {
    child.kill('SIGKILL');
    await child.exited;
  }
}

function mapText(ranges: readonly IdRange[]): string {
  return ranges.map(({ inside, outside, count }) => `${inside} ${outside} ${count}\n`).join('');
}
