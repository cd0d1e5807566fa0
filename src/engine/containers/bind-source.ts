import { existsSync, mkdirSync, realpathSync } from 'node:fs';
import { TareError } from '../../base/errors.ts';
import { fromNodeError } from '../../kernel/errno.ts';
import type { MountInfo } from '../../kernel/mount.ts';
import type { MountPoint } from './model.ts';

/** `-v` makes a missing source, as a directory; `--mount` does so only when asked. */
export function makeBindSource(point: MountPoint): void {
  if (existsSync(point.source)) return;
  if (!point.fromBind && !point.createSource) {
    throw new TareError(
      'invalid',
      `invalid mount config for type "bind": bind source path does not exist: ${point.source}`,
    );
  }
  try {
    mkdirSync(point.source, { recursive: true, mode: 0o755 });
  } catch (error) {
    throw fromNodeError(error, `error while creating mount source path '${point.source}'`);
  }
}

/** True when one of two absolute paths lies in the other. */
export function nests(a: string, b: string): boolean {
  const [outer, inner] = a.length < b.length ? [a, b] : [b, a];
  return outer === '/' || inner === outer || inner.startsWith(`${outer}/`);
}

/**
 * The propagation of a bind. One that shows the engine's own mounts follows the host, as dockerd has it: a copy that
 * did not would keep layers and volumes mounted that are to go. Throws `invalid` in dockerd's words.
 */
export function chosenPropagation(source: string, asked: string, dataRoot: string): string {
  if (!nests(source, dataRoot)) return asked || 'rprivate';
  if (asked === '' || asked === 'rslave' || asked === 'rshared') return asked || 'rslave';
  throw new TareError(
    'invalid',
    `invalid mount config: must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root, daemon root: ${JSON.stringify(dataRoot)}, bind mount source: ${JSON.stringify(source)}, propagation: ${JSON.stringify(asked)}`,
  );
}

/**
 * A bind can share what is mounted in it only where the mount that its source lies on does so already
 * (mount_namespaces(7)). Throws `invalid` in dockerd's words.
 */
export function checkPropagation(point: MountPoint, mounts: readonly MountInfo[]): void {
  const kind = /^r?(shared|slave)$/.exec(point.propagation)?.[1];
  if (kind === undefined) return;
  const source = realpathSync(point.source);
  const below = mountUnder(source, mounts);
  const flags = below?.propagation ?? '';
  const shares = /\bshared:/.test(flags) || (kind === 'slave' && /\bmaster:/.test(flags));
  if (shares) return;
  const wanted = kind === 'shared' ? 'shared' : 'shared or slave';
  throw new TareError(
    'invalid',
    `path ${point.source} is mounted on ${below?.target ?? '/'} but it is not a ${wanted} mount`,
  );
}

/** True when something is mounted below `directory`. */
export function hasMountsBelow(directory: string, mounts: readonly MountInfo[]): boolean {
  const real = realpathSync(directory);
  const prefix = real === '/' ? real : `${real}/`;
  return mounts.some(({ target }) => target !== '/' && target.startsWith(prefix));
}

/** The mount that `path` lies on: of the longest fitting ones the latest, which hides those before it. */
function mountUnder(path: string, mounts: readonly MountInfo[]): MountInfo | undefined {
  let found: MountInfo | undefined;
  for (const entry of mounts) {
    const fits = entry.target === '/' || path === entry.target || path.startsWith(`${entry.target}/`);
    if (fits && entry.target.length >= (found?.target.length ?? 0)) found = entry;
  }
  return found;
}
