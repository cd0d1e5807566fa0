import type { LayerMember } from '../snapshots.ts';

/** Members of a layer on their way to a thread: their headers one after another, so that one buffer is handed over. */
export interface PackedMembers {
  readonly headers: Uint8Array<ArrayBuffer>;
  /** Where each header ends. */
  readonly ends: readonly number[];
  /** Empty: the member has no file. */
  readonly paths: readonly string[];
  readonly sizes: readonly number[];
}

export function packMembers(members: readonly LayerMember[]): PackedMembers {
  const total = members.reduce((sum, { header }) => sum + header.byteLength, 0);
  const headers = new Uint8Array(total);
  const ends: number[] = [];
  let at = 0;
  for (const { header } of members) {
    headers.set(header, at);
    at += header.byteLength;
    ends.push(at);
  }
  return {
    headers,
    ends,
    paths: members.map(({ path = '' }) => path),
    sizes: members.map(({ size = 0 }) => size),
  };
}

export function* unpackMembers({ headers, ends, paths, sizes }: PackedMembers): Generator<LayerMember> {
  let begin = 0;
  for (const [index, end] of ends.entries()) {
    const header = headers.subarray(begin, end);
    const path = paths[index] ?? '';
    begin = end;
    yield path === '' ? { header } : { header, path, size: sizes[index] ?? 0 };
  }
}
