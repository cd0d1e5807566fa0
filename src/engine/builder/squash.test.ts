import { describe, expect, test } from 'bun:test';
import { readTarMembers } from '../../archive/tar-members.ts';
import type { TarMember } from '../../archive/tar-writer.ts';
import { encodeTarHeader, tarEnd, tarPadding } from '../../archive/tar-writer.ts';
import { mergedLayers } from './squash.ts';

type Member = Partial<TarMember> & { name: string; text?: string };

const file = (name: string, text = ''): Member => ({ name, text });
const folder = (name: string): Member => ({ name, type: 'directory' });

function layer(...members: Member[]): () => AsyncIterable<Uint8Array> {
  return async function* () {
    for (const { text = '', ...member } of members) {
      const bytes = Buffer.from(text);
      yield encodeTarHeader({ type: 'file', size: bytes.length, mode: 0o644, ...member });
      if (bytes.length > 0) yield bytes;
      if ((member.type ?? 'file') === 'file') yield tarPadding(bytes.length);
    }
    yield tarEnd();
  };
}

/** Topmost first. */
async function merged(
  layers: ReadonlyArray<() => AsyncIterable<Uint8Array>>,
  below = true,
): Promise<string[]> {
  const found: string[] = [];
  for await (const { entry, body } of readTarMembers(mergedLayers(layers, below))) {
    let text = '';
    for await (const piece of body) text += Buffer.from(piece).toString();
    const name = entry.name.replace(/\/$/, '');
    found.push(text === '' ? name : `${name}=${text}`);
  }
  return found;
}

describe('layers as one', () => {
  test('the topmost of a name counts, and what one removes is gone from those below', async () => {
    const top = layer(folder('d'), file('d/a', 'new'), file('d/.wh.b'));
    const bottom = layer(folder('d'), file('d/a', 'old'), file('d/b'), file('d/c'));
    expect(await merged([top, bottom])).toEqual(['d', 'd/a=new', 'd/.wh.b', 'd/c']);
    expect(await merged([top, bottom], false)).toEqual(['d', 'd/a=new', 'd/c']);
  });

  test('a directory that was removed and made again shows nothing older', async () => {
    const top = layer(folder('d'), file('d/new'));
    const middle = layer(file('.wh.d'));
    const bottom = layer(folder('d'), file('d/old'));
    expect(await merged([top, middle, bottom])).toEqual(['d', 'd/new', 'd/.wh..wh..opq']);
    const opaque = layer(folder('d'), file('d/.wh..wh..opq'), file('d/new'));
    expect(await merged([opaque, bottom])).toEqual(['d', 'd/.wh..wh..opq', 'd/new']);
  });

  test('a file in a directory’s place covers what lay in that, one that was removed and made again stays', async () => {
    expect(await merged([layer(file('d', 'flat')), layer(folder('d'), file('d/x'))])).toEqual(['d=flat']);
    expect(await merged([layer(file('f', '2')), layer(file('.wh.f')), layer(file('f', '1'))])).toEqual([
      'f=2',
    ]);
    expect(
      await merged([layer(file('.wh.a')), layer(folder('ab'), file('ab/x'), folder('a'), file('a/x'))]),
    ).toEqual(['.wh.a', 'ab', 'ab/x']);
  });

  test('hard links: with their first name they stay, without it they are refused', async () => {
    const link: Member = { name: 'link', type: 'link', linkName: 'first' };
    const bottom = layer(file('first', 'x'), link);
    expect(await merged([layer(file('other')), bottom])).toEqual(['other', 'first=x', 'link']);
    const failure = await merged([layer(file('first', 'y')), bottom]).catch((error: Error) => error.message);
    expect(failure).toContain('--squash cannot keep link: it is a hard link to first');
  });
});
