import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, renameSync } from 'node:fs';
import { codeOf } from '../../kernel/errno.ts';

/** File name of a layer's entry in the directory of finished layers. */
export function layerName(diffId: string): string {
  return diffId.startsWith('sha256:') ? diffId.slice(7) : diffId.replace(':', '-');
}

/** A random name of `length` characters, 5 bits each. */
export function randomName(length: number): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  return Array.from(randomBytes(length), (byte) => alphabet[byte & 31]).join('');
}

/** True when the layer's entry is there. */
export function entryExists(layers: string, diffId: string): boolean {
  return existsSync(`${layers}/${layerName(diffId)}`);
}

/** Makes a durable ingest the layer's entry, by a rename. False when another was faster. */
export function publishEntry(ingest: string, layers: string, diffId: string): boolean {
  try {
    renameSync(ingest, `${layers}/${layerName(diffId)}`);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOTEMPTY' || code === 'EEXIST') return false;
    throw error;
  }
  syncDirectory(layers);
  return true;
}

/** Makes the names in a directory durable. */
export function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}
