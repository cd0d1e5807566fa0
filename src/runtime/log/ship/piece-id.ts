import { createHash } from 'node:crypto';
import type { LogLine } from '../line-joiner.ts';

/** What the pieces of one line have in common: 64 hexadecimal digits, the same each time they are sent. */
export function pieceId(containerId: string, { stream, time }: LogLine): string {
  return createHash('sha256').update(`${containerId} ${stream} ${time}`).digest('hex');
}
