import { readTarMembers } from '../../archive/tar-members.ts';
import { encodeTarHeader, tarEnd, tarPadding } from '../../archive/tar-writer.ts';

/** A tar whose names begin with a slash, as one that others expect: `etc/hosts`. Its root has no member. */
export async function* withoutSlashes(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const { entry, body } of readTarMembers(source)) {
    const name = entry.name.replace(/^[/]+/, '');
    if (name === '') continue;
    const linkName = entry.type === 'link' ? entry.linkName.replace(/^[/]+/, '') : entry.linkName;
    yield encodeTarHeader({ ...entry, name, linkName });
    if (entry.type !== 'file') continue;
    for await (const piece of body) yield piece;
    yield tarPadding(entry.size);
  }
  yield tarEnd();
}
