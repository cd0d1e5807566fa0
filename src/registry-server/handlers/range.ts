/**
 * The one range of a `Range` header that a body of `size` bytes can answer. Undefined: no range, a unit or a syntax
 * that is not known, or several ranges; the whole is sent then (RFC 9110, 14.2).
 */
export function parseRange(
  header: string | null,
  size: number,
): { first: number; last: number } | 'unsatisfiable' | undefined {
  const match = /^bytes=\s*(\d*)\s*-\s*(\d*)\s*$/.exec(header ?? '');
  if (match === null) return undefined;
  const [, begin = '', end = ''] = match;
  if (begin === '' && end === '') return undefined;
  if (begin === '') {
    const suffix = Number(end);
    if (suffix === 0 || size === 0) return 'unsatisfiable';
    return { first: Math.max(size - suffix, 0), last: size - 1 };
  }
  const first = Number(begin);
  const last = end === '' ? size - 1 : Math.min(Number(end), size - 1);
  if (end !== '' && Number(end) < first) return undefined;
  return first >= size ? 'unsatisfiable' : { first, last };
}

/** What a chunk's headers say about it; `start` and `length` undefined when they say nothing. */
export interface ChunkHeaders {
  readonly start?: number;
  readonly length?: number;
}

/**
 * The `Content-Range` of an upload, `first-last` (distribution-spec, "Pushing a blob in chunks"), which RFC 9110 would
 * write `bytes first-last/*`: both are read. `invalid` for anything else.
 */
export function parseContentRange(header: string | null): ChunkHeaders | 'invalid' {
  if (header === null) return {};
  const match = /^(?:bytes[ =])?(\d+)-(\d+)(?:\/(?:\d+|\*))?$/.exec(header.trim());
  if (match === null) return 'invalid';
  const start = Number(match[1]);
  const length = Number(match[2]) - start + 1;
  return length < 1 || !Number.isSafeInteger(start + length) ? 'invalid' : { start, length };
}
