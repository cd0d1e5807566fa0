import { randomBytes } from 'node:crypto';
import { TareError } from '../../base/errors.ts';
import type { Shadow } from './layer-writer.ts';

/** Facts of a finished layer, kept as `meta.json` in its entry. */
export interface LayerMeta {
  readonly diffId: string;
  /** Name of its tree below `l/`. */
  readonly short: string;
  /** Sum of the sizes of files in bytes. */
  readonly size: number;
  /** Length of its tar in bytes. */
  readonly tarSize: number;
  readonly shadows: readonly Shadow[];
  /** Hides all layers below it. */
  readonly opaqueRoot: boolean;
}

/**
 * Where the overlay snapshotter keeps things below its root:
 *
 *   l/SHORT        a layer's tree; the name is short because mount(2) takes one page of options
 *   layers/NAME    a layer's entry: meta.json, structure, shadow/; a layer exists when its entry does
 *   ingest/ID      an entry that is being made
 *   s/KEY          a snapshot: u (upper), w (work), layers.json
 *   trash/ID       what is being deleted
 *   empty, empty2  empty directories, as lower directories of last resort
 */
export interface Layout {
  readonly trees: string;
  readonly layers: string;
  readonly ingests: string;
  readonly snapshots: string;
  readonly trash: string;
  readonly empty: string;
  readonly otherEmpty: string;
}

/** Throws `invalid` for a root that overlayfs's options cannot express. */
export function layoutOf(root: string): Layout {
  if (/[,:\\]/.test(root)) {
    throw new TareError('invalid', `the data root ${root} must not contain a comma, colon or backslash`);
  }
  return {
    trees: `${root}/l`,
    layers: `${root}/layers`,
    ingests: `${root}/ingest`,
    snapshots: `${root}/s`,
    trash: `${root}/trash`,
    empty: `${root}/empty`,
    otherEmpty: `${root}/empty2`,
  };
}

/** File name of a layer's entry. */
export function layerName(diffId: string): string {
  return diffId.startsWith('sha256:') ? diffId.slice(7) : diffId.replace(':', '-');
}

/** A random name of `length` characters, 5 bits each. */
export function randomName(length: number): string {
  const alphabet = 'abcdefghijklmnopqrstuvwxyz234567';
  return Array.from(randomBytes(length), (byte) => alphabet[byte & 31]).join('');
}
