import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { closeSync, ftruncateSync, openSync, readdirSync, readSync, statSync, writeSync } from 'node:fs';
import { must } from '../../../test/support/command.ts';
import { CorpusLab } from '../../../test/support/snapshots/corpus-lab.ts';
import { erofs } from '../../../test/support/snapshots/erofs-peer.ts';
import { paxHeader, rawHeader } from '../../../test/support/snapshots/raw-tars.ts';
import { dir, file, streamOfBytes, tarOf } from '../../../test/support/snapshots/tar-bytes.ts';
import { TarParser } from '../../archive/tar-parser.ts';
import { tarEnd, tarPadding } from '../../archive/tar-writer.ts';
import { IndexWriter } from './index-writer.ts';
import { LayerTree } from './layer-tree.ts';
import { SparseBlocks } from './sparse.ts';

/** Compares each file named for its length by read(2) and by mmap(2), and what is mapped behind its end. */
const MAPPED = `
import ctypes, os, sys
lib = ctypes.CDLL(None, use_errno=True)
lib.mmap.restype = ctypes.c_void_p
for name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], name), 'rb') as f:
        size, whole = int(name), (int(name) + 4095) // 4096 * 4096
        # PROT_READ, MAP_PRIVATE
        at = lib.mmap(None, ctypes.c_size_t(whole), 1, 2, f.fileno(), ctypes.c_long(0))
        mapped = ctypes.string_at(at, whole)
        want = bytes(1 + i % 251 for i in range(size))
        print(name, f.read() == want, mapped[:size] == want, mapped[size:] == bytes(whole - size))
`;

describe('contents of a mounted layer', () => {
  let lab: CorpusLab;
  beforeAll(() => {
    lab = new CorpusLab();
  });
  afterEach(() => lab.unmountAll());
  afterAll(() => lab.close());

  async function mounted(tar: Uint8Array): Promise<string> {
    const path = lab.fresh();
    await Bun.write(path, tar);
    return lab.view('erofs', path);
  }

  for (const [what, fill] of [
    ['zeros', 0],
    ['anything', 0xee],
  ] as const) {
    test(`read and mapped, with ${what} in the tar behind the files`, async () => {
      const sizes = [1, 511, 512, 513, 1023, 4095, 4096, 4097, 5000, 8191, 100_001];
      const parts = sizes.flatMap((size) => {
        const data = Buffer.from(Uint8Array.from({ length: size }, (_, i) => 1 + (i % 251)));
        return [
          rawHeader({ name: String(size), flag: '0', data }),
          data,
          tarPadding(size).slice().fill(fill),
        ];
      });
      const root = await mounted(Buffer.concat([...parts, tarEnd()]));
      const said = await must(['python3', '-c', MAPPED, root]);
      expect(said.split('\n').sort()).toEqual(sizes.map((size) => `${size} True True True`).sort());
    });
  }

  test('a sparse file of 10 GB with little data', async () => {
    const GIB = 1024 ** 3;
    const size = 10 * GIB + 7;
    const map = [
      [0, 700],
      [4 * GIB - 1, 3],
      [7 * GIB + 12_345, 512],
      [size - 1, 1],
    ] as const;
    const text = (offset: number, length: number): Buffer =>
      Buffer.from(Uint8Array.from({ length }, (_, i) => 1 + ((offset + i) % 251)));
    const data = Buffer.concat(map.map(([offset, length]) => text(offset, length)));
    const records: Array<[string, string]> = [
      ['GNU.sparse.name', 'huge'],
      ['GNU.sparse.size', String(size)],
      ['GNU.sparse.map', map.flat().join(',')],
    ];
    const header = rawHeader({ name: 'x', flag: '0', data });
    const root = await mounted(
      Buffer.concat([paxHeader(records), header, data, tarPadding(data.byteLength), tarEnd()]),
    );
    expect(statSync(`${root}/huge`).size).toBe(size);
    const fd = openSync(`${root}/huge`, 'r');
    try {
      for (const [offset, length] of map) {
        const wide = Buffer.alloc(length + 2000, 0xff);
        const from = Math.max(0, offset - 1000);
        const read = readSync(fd, wide, 0, wide.byteLength, from);
        const want = Buffer.alloc(read);
        want.set(text(offset, length), offset - from);
        expect(wide.subarray(0, read).equals(want)).toBe(true);
      }
      for (let at = GIB; at + 4096 < size; at += GIB) {
        if (at === 4 * GIB) continue;
        const zeros = Buffer.alloc(4096, 0xff);
        readSync(fd, zeros, 0, 4096, at);
        expect(zeros.equals(Buffer.alloc(4096))).toBe(true);
      }
    } finally {
      closeSync(fd);
    }
  });

  // The tar is never written: its holes on the disk are the zeros that the parser is told.
  test('a file of 5 GB, and one behind it', async () => {
    const size = 5 * 1024 ** 3 + 100;
    const tar = `${lab.base}/five.tar`;
    const index = `${lab.base}/five.index`;
    const fd = openSync(index, 'wx');
    const blocks = new SparseBlocks(fd);
    const tree = new LayerTree(blocks);
    const parser = new TarParser(tree);
    const first = rawHeader({ name: 'large', flag: '0', size });
    const behind = Buffer.concat([tarPadding(size), tarOf(file('behind', 'small'))]);
    parser.push(first);
    const zeros = new Uint8Array(1024 * 1024);
    for (let left = size; left > 0; left -= zeros.byteLength) {
      parser.push(zeros.subarray(0, Math.min(left, zeros.byteLength)));
    }
    parser.push(behind);
    parser.end();
    const total = first.byteLength + size + behind.byteLength;
    new IndexWriter(fd, blocks.flush(), () => {}).write(tree.root, Buffer.alloc(16), total);
    closeSync(fd);
    const archive = openSync(tar, 'wx');
    ftruncateSync(archive, total);
    writeSync(archive, first, 0, 512, 0);
    const marks = [0, 2 ** 31 - 3, 2 ** 32 - 3, size - 7];
    for (const at of marks) writeSync(archive, Buffer.from('marked!'), 0, 7, 512 + at);
    writeSync(archive, behind, 0, behind.byteLength, 512 + size);
    closeSync(archive);
    await erofs('fsck.erofs', `--device=${tar}`, index);
    const seen = lab.mount([{ type: 'erofs', source: index, target: '', options: ['ro', `device=${tar}`] }]);
    expect(statSync(`${seen}/large`).size).toBe(size);
    const large = openSync(`${seen}/large`, 'r');
    for (const at of marks) {
      const text = Buffer.alloc(7);
      readSync(large, text, 0, 7, at);
      expect(text.toString()).toBe('marked!');
    }
    closeSync(large);
    expect(await Bun.file(`${seen}/behind`).text()).toBe('small');
  });

  for (const directories of [1, 1000]) {
    test(`100,000 files in ${directories} directories`, async () => {
      const nameOf = (i: number): string => `d${i % directories}/file-${i}`;
      const members = Array.from({ length: directories }, (_, i) => dir(`d${i}`));
      const root = await mounted(
        tarOf(...members, ...Array.from({ length: 100_000 }, (_, i) => file(nameOf(i), `text ${i}`))),
      );
      const found = readdirSync(root).flatMap((name) =>
        readdirSync(`${root}/${name}`).map((f) => `${name}/${f}`),
      );
      expect(found.sort()).toEqual(Array.from({ length: 100_000 }, (_, i) => nameOf(i)).sort());
      for (let i = 0; i < 100_000; i += 97) {
        expect(await Bun.file(`${root}/${nameOf(i)}`).text()).toBe(`text ${i}`);
      }
    });
  }

  test('a layer that replaces what it has just made, many times', async () => {
    const members = Array.from({ length: 20_000 }, (_, i) => [
      dir(`d/${i}`),
      file(`d/${i}/in`),
      file(`d/${i}`, 'file'),
    ]);
    const root = await mounted(tarOf(...members.flat()));
    expect(readdirSync(`${root}/d`)).toHaveLength(20_000);
    expect(await Bun.file(`${root}/d/19999`).text()).toBe('file');
  });

  test('data behind a whiteout or a special file belongs to nothing', async () => {
    const before = file('before', 'b'.repeat(600));
    const { drivers } = lab;
    const padded = Buffer.from(tarOf(before, file('.wh.gone', 'text'), file('after', 'a')));
    // Right behind the whiteout's text.
    padded[padded.indexOf('text') + 4] = 0xee;
    const { diffId } = await drivers.erofs.applyLayer(undefined, streamOfBytes(padded));
    const root = lab.mount(drivers.erofs.viewMounts([diffId]));
    expect(await Bun.file(`${root}/before`).text()).toBe('b'.repeat(600));
    expect(await Bun.file(`${root}/after`).text()).toBe('a');
  });
});
