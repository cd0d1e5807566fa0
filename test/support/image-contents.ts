/** What an image holds, by the archive that `save` gives: for comparing what builders have made. */
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { toText } from '../../src/archive/byte-string.ts';
import { decompressed } from '../../src/archive/compression.ts';
import type { TarEntry } from '../../src/archive/tar-entry.ts';
import { readTarMembers } from '../../src/archive/tar-members.ts';
import type { ImageConfigFile } from '../../src/oci/image-config.ts';
import { must } from './command.ts';

export interface ImageContents {
  /** Path without a slash before it: kind, mode, owner, contents or target, and the time where it is not of today. */
  readonly files: ReadonlyMap<string, string>;
  readonly config: ImageConfigFile;
  readonly layers: number;
}

/** Files of before this were not made by the build: their times are compared. */
const TODAY = Date.parse('2015-01-01') / 1000;

/** Reads an archive in docker's form. `archive`: its path. */
export async function imageContents(archive: string): Promise<ImageContents> {
  const folder = mkdtempSync('/var/tmp/tare-image-');
  try {
    await must(['tar', '-xf', archive, '-C', folder]);
    const [image] = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'));
    const config: ImageConfigFile = JSON.parse(readFileSync(join(folder, image.Config), 'utf8'));
    const files = new Map<string, string>();
    for (const layer of image.Layers as string[]) {
      await applyLayer(files, Bun.file(join(folder, layer)).stream());
    }
    return { files, config, layers: image.Layers.length };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function applyLayer(files: Map<string, string>, layer: ReadableStream<Uint8Array>): Promise<void> {
  const own = new Map<string, string>();
  for await (const { entry, body } of readTarMembers(decompressed(layer))) {
    const path = pathOf(entry.name);
    const name = path.slice(path.lastIndexOf('/') + 1);
    const above = path.slice(0, path.length - name.length);
    if (name === '.wh..wh..opq') removeBelow(files, above);
    else if (name.startsWith('.wh.')) remove(files, above + name.slice(4));
    else if (path !== '') {
      if (entry.type !== 'directory') remove(files, path);
      const target = entry.type === 'link' ? pathOf(entry.linkName) : '';
      own.set(path, own.get(target) ?? files.get(target) ?? (await described(entry, body)));
    }
  }
  for (const [path, what] of own) files.set(path, what);
}

const pathOf = (name: string): string => toText(name).replace(/^(?:\.?\/)+|\/+$/g, '');

function remove(files: Map<string, string>, path: string): void {
  files.delete(path);
  removeBelow(files, `${path}/`);
}

function removeBelow(files: Map<string, string>, prefix: string): void {
  for (const path of files.keys()) if (path.startsWith(prefix)) files.delete(path);
}

async function described(entry: TarEntry, body: AsyncIterable<Uint8Array>): Promise<string> {
  const { type, mode, uid, gid, seconds } = entry;
  const parts = [type, type === 'symlink' ? '' : (mode & 0o7777).toString(8), `${uid}:${gid}`];
  if (type === 'symlink') parts.push(`-> ${toText(entry.linkName)}`);
  if (type === 'file') {
    const hash = createHash('sha256');
    for await (const chunk of body) hash.update(chunk);
    parts.push(hash.digest('hex').slice(0, 12));
    if (seconds < TODAY) parts.push(`of ${seconds}`);
  }
  return parts.filter((part) => part !== '').join(' ');
}

/**
 * `file PATH: left | right` for each file that is not the same, `config FIELD: left | right` for each member of the
 * configurations. `withSteps`: also how many layers there are, and which steps of the history made one.
 */
export function differences(left: ImageContents, right: ImageContents, withSteps: boolean): string[] {
  const found: string[] = [];
  for (const path of [...new Set([...left.files.keys(), ...right.files.keys()])].sort()) {
    const [one, other] = [left.files.get(path) ?? 'nothing', right.files.get(path) ?? 'nothing'];
    if (one !== other) found.push(`file ${path}: ${one} | ${other}`);
  }
  const [ours, theirs] = [configOf(left), configOf(right)];
  for (const key of [...new Set([...Object.keys(ours), ...Object.keys(theirs)])].sort()) {
    const [one, other] = [shown(ours[key]), shown(theirs[key])];
    if (key === 'history' && !withSteps) continue;
    if (one !== other) found.push(`config ${key}: ${one} | ${other}`);
  }
  if (withSteps && left.layers !== right.layers) found.push(`layers: ${left.layers} | ${right.layers}`);
  return found;
}

/** What an image says of itself, without what tells when and by whom it was built. */
function configOf({ config }: ImageContents): Record<string, unknown> {
  const { architecture, os, author, history = [] } = config;
  const own = config.config ?? {};
  return {
    architecture,
    os,
    author,
    history: history.map(({ empty_layer }) => empty_layer === true),
    ...own,
  };
}

/** Empty is as good as absent. */
function shown(value: unknown): string {
  if (value === undefined || value === null || value === '' || value === false) return 'nothing';
  if (Array.isArray(value)) return value.length === 0 ? 'nothing' : JSON.stringify(value);
  if (typeof value !== 'object') return JSON.stringify(value);
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? 'nothing' : JSON.stringify(Object.fromEntries(entries));
}
