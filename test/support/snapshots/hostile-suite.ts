import { expect, test } from 'bun:test';
import { existsSync } from 'node:fs';
import { gzipSync } from 'node:zlib';
import { isKind } from '../../../src/base/errors.ts';
import type { SnapshotLab } from './snapshot-lab.ts';
import { bytesOf, digestOf, dir, file, streamOfBytes, type TestMember, tarOf } from './tar-bytes.ts';

/** Layers that want to leave their directory, that are cut off or damaged. */
export function hostileTests(use: () => SnapshotLab): void {
  const link = (name: string, linkName: string): TestMember => ({ type: 'link', name, linkName });
  const malicious: Record<string, TestMember[]> = {
    'a name above the root': [file('../evil')],
    'a name above the root, deeper': [file('a/../../evil')],
    'a directory above the root': [dir('../../evil')],
    'a hard link out': [link('l', '../../../../etc/passwd')],
    'a hard link to what is not in the layer': [link('l', 'etc/passwd')],
    'a hard link through a link out': [
      { type: 'symlink', name: 's', linkName: '/etc' },
      link('l', 's/passwd'),
    ],
    'a hard link to the root': [link('l', '/')],
    'a hard link to a directory': [dir('d'), link('l', 'd')],
    'a hard link in the place of a directory on its way': [file('d/e/f'), link('d', 'd/e/f')],
    'a loop of links': [
      { type: 'symlink', name: 'a', linkName: 'b' },
      { type: 'symlink', name: 'b', linkName: 'a' },
      file('a/x'),
    ],
    'a file as parent': [file('f'), file('f/x')],
    'a device as parent': [{ type: 'character', name: 'n', major: 1, minor: 3 }, file('n/x')],
    'a whiteout of nothing': [file('d/.wh.', '')],
    'a whiteout of the parent': [file('d/.wh...', '')],
    'a name of 256 bytes': [file('n'.repeat(256))],
    'a name of 256 bytes on the way': [file(`${'n'.repeat(256)}/f`)],
    'a path of 4096 bytes': [file(`${'p/'.repeat(2047)}pp`)],
    'a path of a million bytes': [file(`${'p/'.repeat(500_000)}p`)],
    'a link without a target': [{ type: 'symlink', name: 's', linkName: '' }],
    'a link with a target of 4096 bytes': [{ type: 'symlink', name: 's', linkName: 't'.repeat(4096) }],
    'an owner that is none': [file('f', '', { uid: 4294967295 })],
    'an owner of 33 bits': [file('f', '', { gid: 4294967296 })],
    'a device of 13 bits': [{ type: 'character', name: 'c', major: 4096, minor: 0 }],
    'a device of 12 and 21 bits': [{ type: 'block', name: 'b', major: 8, minor: 1048576 }],
    'a device as root': [{ type: 'character', name: './', major: 1, minor: 3 }],
  };
  for (const [what, members] of Object.entries(malicious)) {
    test(`refused: ${what}`, async () => {
      const tar = tarOf(file('good'), ...members);
      const error = await use().failure(tar);
      expect(isKind(error, 'corrupt', 'invalid')).toBe(true);
      expect(use().snapshotter.hasLayer(digestOf(tar))).toBe(false);
      expect(existsSync('/tmp/evil')).toBe(false);
    });
  }

  test('truncated layers are corrupt, wherever they are cut', async () => {
    const tar = tarOf(dir('d'), file('d/x', 'x'.repeat(2000)), file(`d/${'n'.repeat(120)}`, 'y'), file('z'));
    let random = 12345;
    for (let i = 0; i < 25; i++) {
      random = (random * 1103515245 + 12345) % 2147483648;
      const cut = tar.subarray(0, 1 + (random % (tar.byteLength - 1024)));
      const error = await use().failure(cut, digestOf(tar));
      expect(isKind(error, 'corrupt')).toBe(true);
    }
    expect(use().snapshotter.hasLayer(digestOf(tar))).toBe(false);
  });

  test('damaged layers never do worse than an error', async () => {
    const tar = tarOf(
      dir('d'),
      file('d/x', 'x'.repeat(700)),
      { type: 'symlink', name: 'l', linkName: 'd' },
      file('z'),
    );
    let random = 4711;
    for (let i = 0; i < 40; i++) {
      const damaged = Buffer.from(tar);
      for (let j = 0; j < 3; j++) {
        random = (random * 1103515245 + 12345) % 2147483648;
        damaged[random % damaged.byteLength] = (random >> 8) & 0xff;
      }
      const error = await use().failure(damaged);
      expect(error === undefined || isKind(error, 'corrupt', 'invalid', 'exhausted')).toBe(true);
      if (error === undefined) {
        expect(await bytesOf(use().snapshotter.layerTar(digestOf(damaged)))).toEqual(new Uint8Array(damaged));
      }
    }
  });

  test('what stands behind a packed layer stops nothing', async () => {
    const tar = tarOf(file('packed', 'p'.repeat(1000)));
    const trailing = Buffer.concat([gzipSync(tar), new Uint8Array(9_000_000)]);
    const source = { packed: streamOfBytes(trailing), limit: { maxBytes: 1e12 } };
    const error = await use()
      .snapshotter.applyLayer(digestOf(tar), source)
      .then(
        () => undefined,
        (failure: unknown) => failure,
      );
    expect(error === undefined || isKind(error, 'corrupt')).toBe(true);
    expect(use().snapshotter.hasLayer(digestOf(tar))).toBe(error === undefined);
  }, 20_000);

  test('an empty tar is an empty layer', async () => {
    const empty = new Uint8Array(1024);
    const { diffId, size } = await use().snapshotter.applyLayer(undefined, streamOfBytes(empty));
    expect(size).toBe(0);
    expect(await bytesOf(use().snapshotter.layerTar(diffId))).toEqual(empty);
  });
}
