import type { PathMatch, PathPatterns } from '../base/path-patterns.ts';
import { Breath } from '../base/streams.ts';
import { FileType } from '../kernel/files.ts';
import { type ByteString, toByteString, toText } from './byte-string.ts';
import { OutputBuffer } from './output-buffer.ts';
import { inGoWords } from './rooted/words.ts';
import { encodeTarHeader, tarEnd, tarPadding } from './tar-writer.ts';
import { MemberWriter } from './tree-members.ts';
import { type TreeItem, walkTree } from './tree-walk.ts';

/** A file that is sent though it does not lie in the directory, or has other contents there. */
export interface AddedFile {
  readonly name: string;
  readonly content: Uint8Array;
  /** Seconds since the epoch. */
  readonly seconds: number;
}

export interface ContextOptions {
  /** Path of the directory. */
  readonly root: string;
  /** What stays out. */
  readonly excluded: PathPatterns;
  /** Paths that are sent all the same. */
  readonly always: readonly string[];
  /** Sent first; files of the directory with their names are not. */
  readonly added: readonly AddedFile[];
}

/**
 * A build's context as a tar, written while the directory is walked. Everything belongs to root; modes and times (whole
 * seconds) stay, of the extended attributes capabilities, as Docker's client sends them. Directories that stay out are
 * sent if something below them is. Sockets are left out. Throws a TareError in Go's words.
 */
export async function* contextTar(options: ContextOptions): AsyncGenerator<Uint8Array> {
  const output = new OutputBuffer();
  const breath = new Breath();
  const writer = new MemberWriter(output, breath, (name) => name === 'security.capability');
  for (const file of options.added) yield* addedFile(writer, file);
  try {
    for (const { item, header } of selectedItems(options, writer)) {
      if (header !== undefined) yield* writer.bytes(header);
      else yield* writer.member(item);
      if (breath.due) await breath.take();
    }
  } catch (error) {
    throw inGoWords(error);
  }
  yield* writer.bytes(tarEnd());
  if (!output.isEmpty) yield output.take();
}

/** A tar of these files alone. */
export function tarOfFiles(files: readonly AddedFile[]): Uint8Array {
  const parts = files.flatMap(({ name, content, seconds }) => [
    encodeTarHeader({ type: 'file', name: toByteString(name), mode: 0o600, size: content.length, seconds }),
    content,
    tarPadding(content.length),
  ]);
  return Buffer.concat([...parts, tarEnd()]);
}

async function* addedFile(writer: MemberWriter, file: AddedFile): AsyncGenerator<Uint8Array> {
  const { content, seconds } = file;
  const name = toByteString(file.name);
  yield* writer.bytes(encodeTarHeader({ type: 'file', name, mode: 0o600, size: content.length, seconds }));
  yield* writer.bytes(content);
  yield* writer.bytes(tarPadding(content.length));
}

/** A directory on the way down that is not sent yet. */
interface Passed {
  readonly path: ByteString;
  readonly match: PathMatch;
  /** Its header when it stays out by itself; undefined once it is sent. */
  header: Uint8Array | undefined;
}

interface Selected {
  readonly item: TreeItem;
  /** Sent in place of the item: a directory whose turn it was before. */
  readonly header?: Uint8Array;
}

function* selectedItems(options: ContextOptions, writer: MemberWriter): Generator<Selected> {
  const { excluded } = options;
  const always = new Set(options.always);
  const added = new Set(options.added.map((file) => file.name));
  const leadsToAlways = (path: string): boolean => options.always.some((one) => one.startsWith(`${path}/`));
  /** The directories that hold the current item. */
  const above: Passed[] = [];
  let descends = true;
  for (const found of walkTree(options.root, () => descends)) {
    descends = true;
    if (found.path === '') continue;
    while (above.length > 0 && !found.path.startsWith(`${above.at(-1)!.path}/`)) above.pop();
    const path = toText(found.path);
    const item = { ...found, status: { ...found.status, uid: 0, gid: 0 } };
    const isDirectory = (item.status.mode & FileType.MASK) === FileType.DIRECTORY;
    const match = excluded.match(path, above.at(-1)?.match ?? NOTHING);
    const out = (match.matched && !always.has(path)) || (!isDirectory && added.has(path));
    if (isDirectory) {
      descends = !out || excluded.mayExceptBelow(path) || leadsToAlways(path);
      if (descends) above.push({ path: item.path, match, header: out ? writer.header(item) : undefined });
    }
    if (out) continue;
    for (const passed of above) {
      if (passed.header !== undefined) yield { item, header: passed.header };
      passed.header = undefined;
    }
    yield { item };
  }
}

/** The context's own directory matches nothing. */
const NOTHING: PathMatch = { matched: false, by: [] };
