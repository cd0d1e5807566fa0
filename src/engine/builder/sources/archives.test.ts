import { describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync } from 'node:fs';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { must } from '../../../../test/support/command.ts';
import { readTarMembers } from '../../../archive/tar-members.ts';
import { encodeTarHeader, tarEnd } from '../../../archive/tar-writer.ts';
import { isArchive, unpackable } from './archives.ts';

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
const tar = Buffer.concat([encodeTarHeader({ type: 'directory', name: 'a', uid: 7 }), tarEnd()]);

describe('what ADD takes for an archive', () => {
  const cases: Array<[string, Uint8Array, boolean]> = [
    ['a tar', tar, true],
    ['a tar in gzip', gzipSync(tar), true],
    ['a tar in zstd', zstdCompressSync(tar), true],
    ['a text', Buffer.from('hello\n'.repeat(200)), false],
    ['a text in gzip', gzipSync('hello\n'.repeat(200)), false],
    ['gzip that is cut', gzipSync(tar).subarray(0, 12), false],
    ['nothing', Buffer.alloc(0), false],
    ['zeros', Buffer.alloc(4096), false],
  ];
  for (const [what, bytes, expected] of cases) {
    test(what, async () => expect(await isArchive(once(bytes))).toBe(expected));
  }
});

test('owners are replaced, holes become zeros', async () => {
  const directory = mkdtempSync('/tmp/tare-archives-');
  try {
    const script = [
      'printf head > f; truncate -s 300000 f; printf tail >> f; truncate -s 400000 f',
      'tar --sparse --owner=5 --group=6 -cf f.tar f; sha256sum < f',
    ];
    const sum = (await must(['sh', '-c', script.join(';')], { cwd: directory })).slice(0, 64);
    const hash = new Bun.CryptoHasher('sha256');
    const archive = Bun.file(`${directory}/f.tar`);
    expect(archive.size).toBeLessThan(100_000);
    for await (const { entry, body } of readTarMembers(
      unpackable(archive.stream(), { uid: 1, gid: 2 }, () => 0o600),
    )) {
      expect(entry).toMatchObject({ name: 'f', uid: 1, gid: 2, mode: 0o600, size: 400_000 });
      for await (const piece of body) hash.update(piece);
    }
    expect(hash.digest('hex')).toBe(sum);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
});
