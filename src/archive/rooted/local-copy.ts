import { openSync } from 'node:fs';
import { TareError } from '../../base/errors.ts';
import { splitPathEntry } from '../../base/go-paths.ts';
import { Breath } from '../../base/streams.ts';
import { AT_FDCWD, closeFile, FileType, OpenFlag, openAt, statusAt } from '../../kernel/files.ts';
import { OpenFlag as PathFlag } from '../../kernel/openat2.ts';
import { type ByteString, toByteString, toText } from '../byte-string.ts';
import { OutputBuffer } from '../output-buffer.ts';
import type { TarEntry } from '../tar-entry.ts';
import { TarParser, type TarSink } from '../tar-parser.ts';
import { tarEnd } from '../tar-writer.ts';
import { MemberWriter } from '../tree-members.ts';
import { type TreeItem, walkTree } from '../tree-walk.ts';
import { isContentXattr } from '../write-tree.ts';
import { Directories } from './directories.ts';
import { Unpacker } from './unpacker.ts';
import { inGoWords } from './words.ts';

/*
 * The local end of `tare cp`: this machine's own files, with its own links.
 */

/**
 * A local path as a tar whose members are called `name`, `name/below`. A trailing slash or dot asks for a directory.
 * Throws a TareError in Go's words.
 */
export async function* packLocal(path: string, name: string): AsyncGenerator<Uint8Array> {
  const output = new OutputBuffer();
  const breath = new Breath();
  const writer = new MemberWriter(output, breath, isContentXattr);
  const first = toByteString(name);
  try {
    for (const item of localItems(path)) {
      const below = first === '/' ? `/${item.path}` : `${first}/${item.path}`;
      yield* writer.member(item, item.path === '' ? first : below);
      if (breath.due) await breath.take();
    }
  } catch (error) {
    throw inGoWords(error);
  }
  yield* writer.bytes(tarEnd());
  if (!output.isEmpty) yield output.take();
}

function* localItems(path: string): Generator<TreeItem> {
  const status = statusAt(AT_FDCWD, toByteString(path));
  if (status === undefined) throw new TareError('not-found', `lstat ${path}: no such file or directory`);
  if ((status.mode & FileType.MASK) === FileType.DIRECTORY) {
    yield* walkTree(path);
    return;
  }
  const { directory, base } = splitPathEntry(path);
  const parent = openSync(directory, 'r');
  try {
    yield { path: '', status, directory: parent, base: toByteString(base) };
  } finally {
    closeFile(parent);
  }
}

/**
 * Unpacks a tar into a local directory. What it makes belongs to whom runs this. Links that were there are followed on
 * the way; those that this tar has made never, so that no archive reaches what lies outside. Throws a TareError.
 */
export async function unpackLocal(
  directory: string,
  tar: AsyncIterable<Uint8Array>,
  rename: (name: string) => string,
): Promise<void> {
  const top = openAt(AT_FDCWD, toByteString(directory), OpenFlag.RDONLY | OpenFlag.DIRECTORY);
  const own = new Set<ByteString>();
  const through = (path: ByteString): number => {
    const parts = path.split('/');
    for (let i = 1; i <= parts.length; i++) {
      const link = parts.slice(0, i).join('/');
      if (own.has(link)) {
        throw new TareError(
          'corrupt',
          `${toText(path)} leads through ${toText(link)}, a link of the archive itself`,
        );
      }
    }
    return openAt(top, path, PathFlag.PATH | OpenFlag.DIRECTORY);
  };
  const directories = new Directories(top, through);
  const unpacker = new Unpacker(directories, {
    destination: splitPathEntry(`${directory}/x`).directory,
    keepKinds: true,
    ownerOf: () => undefined,
  });
  const parser = new TarParser(new Renamed(unpacker, rename, own));
  try {
    for await (const piece of tar) parser.push(piece);
    parser.end();
    unpacker.finish();
  } catch (error) {
    unpacker.abandon();
    throw inGoWords(error);
  } finally {
    directories.close();
    closeFile(top);
  }
}

/** Hands members on under other names and remembers which are links. */
class Renamed implements TarSink {
  readonly #target: TarSink;
  readonly #rename: (name: string) => string;
  readonly #links: Set<ByteString>;

  constructor(target: TarSink, rename: (name: string) => string, links: Set<ByteString>) {
    this.#target = target;
    this.#rename = (name) => toByteString(rename(toText(name)));
    this.#links = links;
  }

  raw(): void {}

  entry(entry: TarEntry): void {
    const name = this.#rename(entry.name);
    const linkName = entry.type === 'link' ? this.#rename(entry.linkName) : entry.linkName;
    this.#target.entry({ ...entry, name, linkName });
    const path = name
      .split('/')
      .filter((part) => part !== '' && part !== '.')
      .join('/');
    if (entry.type === 'symlink') this.#links.add(path);
    else this.#links.delete(path);
  }

  data(bytes: Uint8Array): void {
    this.#target.data(bytes);
  }

  endEntry(): void {
    this.#target.endEntry();
  }
}
