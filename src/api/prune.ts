import type { Filters } from '../wire/filters.ts';
import { nanosToMillis, parseMoment } from './time.ts';

/** Filters that prune endpoints take. */
export const PRUNE_FILTERS: ReadonlySet<string> = new Set(['until', 'label', 'label!']);

/** What `--filter` of a prune leaves: labels, and things made before `until`. Throws with status 400. */
export function pruneTest(
  filters: Filters,
  now: number,
): (labels: Readonly<Record<string, string>> | null | undefined, createdAt: number) => boolean {
  const limits = filters.get('until').map((text) => nanosToMillis(parseMoment(text, now)));
  const until = limits.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...limits);
  return (labels, createdAt) => createdAt < until && filters.prunable(labels);
}
