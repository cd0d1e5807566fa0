import { Breath } from '../base/streams.ts';
import { toByteString } from './byte-string.ts';
import { type AddedFile, type ContextOptions, selectedItems } from './context-items.ts';
import { OutputBuffer } from './output-buffer.ts';
import { inGoWords } from './rooted/words.ts';
import { encodeTarHeader, tarEnd, tarPadding } from './tar-writer.ts';
import { MemberWriter } from './tree-members.ts';

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
    for (const { item, passed } of selectedItems(options, (directory) => writer.header(directory))) {
      if (passed !== undefined) yield* writer.bytes(passed);
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
