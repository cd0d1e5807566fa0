import { readFileSync } from 'node:fs';
import type { Count } from './statistics.ts';

/** The text of a cgroup's file without the newline at its end, or undefined when there is no such file. */
export function readCgroupFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8').trimEnd();
  } catch {
    return undefined;
  }
}

/** A decimal number of up to 64 bits. */
export function countOf(text: string): Count {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}

/** Lines of `key value` (cgroup-v2.rst, "flat keyed"); what is not of that form is passed over. */
export function flatKeyed(text: string): Record<string, Count> {
  const result: Record<string, Count> = {};
  for (const line of text.split('\n')) {
    const space = line.indexOf(' ');
    if (space <= 0) continue;
    const value = line.slice(space + 1);
    if (/^\d+$/.test(value)) result[line.slice(0, space)] = countOf(value);
  }
  return result;
}

/** One number of a flat keyed file; 0 when it is not there. */
export function numberIn(values: Readonly<Record<string, Count>>, key: string): number {
  return Number(values[key] ?? 0);
}

/** The number in a file, 0 when there is none. */
export function readNumber(path: string): number {
  const value = Number(readCgroupFile(path) ?? 0);
  return Number.isNaN(value) ? 0 : value;
}
