/** Bytes that tell an archive: two blocks of a tar. */
const HEADER = 1024;

const MAGICS: ReadonlyArray<readonly number[]> = [
  [0x1f, 0x8b, 0x08],
  [0x42, 0x5a, 0x68],
  [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00],
  [0x28, 0xb5, 0x2f, 0xfd],
];

/** A tar's header has its own sum, counted with spaces in the sum's place. */
function isTarHeader(header: Uint8Array): boolean {
  if (header.length < 512) return false;
  const stored = new TextDecoder().decode(header.subarray(148, 156)).replace(/[\0 ]/g, '');
  if (!/^[0-7]+$/.test(stored)) return false;
  let sum = 8 * 0x20;
  for (let at = 0; at < 512; at++) if (at < 148 || at >= 156) sum += header[at]!;
  return sum === Number.parseInt(stored, 8);
}

/** True for the beginning of a tar, plain or compressed with gzip, bzip2, xz or zstd. */
export function isArchive(header: Uint8Array): boolean {
  return MAGICS.some((magic) => magic.every((byte, at) => header[at] === byte)) || isTarHeader(header);
}

/** What stdin holds: an archive as a stream, or the text of a Dockerfile. */
export type StdinContext =
  | { readonly archive: AsyncIterable<Uint8Array> }
  | { readonly dockerfile: Uint8Array };

/** Reads as much as tells an archive from a Dockerfile; a Dockerfile is read to its end. */
export async function readStdinContext(stdin: AsyncIterable<Uint8Array>): Promise<StdinContext> {
  const chunks = stdin[Symbol.asyncIterator]();
  const first: Uint8Array[] = [];
  let length = 0;
  while (length < HEADER) {
    const next = await chunks.next();
    if (next.done) break;
    first.push(next.value);
    length += next.value.length;
  }
  const header = Buffer.concat(first);
  const rest: AsyncIterable<Uint8Array> = { [Symbol.asyncIterator]: () => chunks };
  if (isArchive(header)) return { archive: joined(header, rest) };
  const all: Uint8Array[] = [header];
  for await (const chunk of rest) all.push(chunk);
  return { dockerfile: Buffer.concat(all) };
}

async function* joined(first: Uint8Array, rest: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield first;
  yield* rest;
}
