import { createHash } from 'node:crypto';
import type { TarEntry } from '../../../archive/tar-entry.ts';
import { readTarMembers } from '../../../archive/tar-members.ts';
import { encodeTarHeader, tarEnd, tarPadding } from '../../../archive/tar-writer.ts';

/** What becomes of a member: another name, or it is left out. */
export type Rename = (name: string) => string | undefined;

/** What COPY and ADD make of the owners and modes that a source has. */
export interface Attributes {
  readonly uid: number;
  readonly gid: number;
  /** `--chmod`; undefined: as it is. */
  readonly mode: number | undefined;
}

/**
 * A tar again with other names, owners and modes. Extended attributes that give rights stay; hard links whose first
 * name was left out would be dangling and become empty: their sources are whole directories, so there are none.
 */
export async function* rewriteTar(
  source: AsyncIterable<Uint8Array>,
  rename: Rename,
  attributes: Attributes,
): AsyncGenerator<Uint8Array> {
  for await (const { entry, body } of readTarMembers(source)) {
    const name = rename(trimmed(entry.name));
    if (name === undefined || name === '') continue;
    const linkName = entry.type === 'link' ? (rename(trimmed(entry.linkName)) ?? '') : entry.linkName;
    yield encodeTarHeader({ ...entry, ...ownersOf(entry, attributes), name, linkName });
    if (entry.type !== 'file') continue;
    for await (const piece of body) yield piece;
    yield tarPadding(entry.size);
  }
}

/** The end that `rewriteTar` leaves out, so that several can follow each other. */
export async function* ended(parts: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* parts;
  yield tarEnd();
}

/** Hex digest of what COPY would make of a source: names, kinds, modes, contents; times do not count. */
export async function digestOf(
  source: AsyncIterable<Uint8Array>,
  rename: Rename,
  attributes: Attributes,
): Promise<string> {
  const hash = createHash('sha256');
  for await (const { entry, body } of readTarMembers(source)) {
    const name = rename(trimmed(entry.name));
    if (name === undefined) continue;
    const { type, linkName, size, major, minor } = entry;
    const { uid, gid, mode } = ownersOf(entry, attributes);
    hash.update(
      JSON.stringify([name, type, linkName, size, major, minor, uid, gid, mode, [...entry.xattrs]]),
    );
    for await (const piece of body) hash.update(piece);
  }
  return hash.digest('hex');
}

function ownersOf(
  entry: TarEntry,
  { uid, gid, mode }: Attributes,
): { uid: number; gid: number; mode: number } {
  return { uid, gid, mode: mode === undefined || entry.type === 'symlink' ? entry.mode : mode };
}

/** Members of a tree's root begin with a slash. */
function trimmed(name: string): string {
  return name.replace(/^\/+|\/+$/g, '');
}
