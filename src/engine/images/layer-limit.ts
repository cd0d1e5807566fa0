import { statfsSync } from 'node:fs';
import { fromNodeError } from '../../kernel/errno.ts';

/** Part of the free space that one layer must leave. */
const LEFT_FREE = 0.05;

/**
 * How many bytes a layer may unpack to now: what is configured (`max-layer-size`), else the free space of the file
 * system that holds `root`, less 5 %.
 */
export function layerLimit(root: string, configured: number | undefined): number {
  if (configured !== undefined) return configured;
  try {
    const { bavail, bsize } = statfsSync(root);
    return Math.floor(bavail * bsize * (1 - LEFT_FREE));
  } catch (error) {
    throw fromNodeError(error, `looking for free space in ${root}`);
  }
}
