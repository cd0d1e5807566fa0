import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { debianTar } from '../../../scripts/images/debian-image.ts';
import { must } from '../../../test/support/command.ts';
import { CorpusLab, treeDifferences } from '../../../test/support/snapshots/corpus-lab.ts';
import { EDGE_TREES } from '../../../test/support/snapshots/edge-trees.ts';
import {
  type Pieces,
  rawTar,
  SPARSE_FORMATS,
  sparseMember,
  sparseText,
} from '../../../test/support/snapshots/raw-tars.ts';

/** What mkfs.erofs 1.8.6 itself gets wrong: v7 headers, times before 1970, fractions of seconds, sparse files. */
const PEER_FAULTS = /v7|times|pax|sparse|long paths/;

describe('a layer mounted is what GNU tar extracts', () => {
  let lab: CorpusLab;
  beforeAll(() => {
    lab = new CorpusLab();
  });
  afterEach(() => lab.unmountAll());
  afterAll(() => lab.close());

  /** Compares both drivers with GNU tar, and where `peer` is set, with mkfs.erofs. */
  async function compare(tar: string, peer = false): Promise<void> {
    const wanted = await lab.extract(tar);
    expect(treeDifferences(wanted, await lab.view('erofs', tar))).toEqual([]);
    expect(treeDifferences(wanted, await lab.view('overlay', tar))).toEqual([]);
    if (peer) expect(treeDifferences(wanted, await lab.peerView(tar))).toEqual([]);
    rmSync(wanted, { recursive: true });
  }

  for (const [name, { make, archives }] of Object.entries(EDGE_TREES)) {
    test(name, async () => {
      const source = lab.fresh();
      mkdirSync(source);
      make(source);
      for (const flags of archives) {
        const tar = lab.fresh();
        await must(['tar', ...flags, '--sort=name', '--warning=no-timestamp', '-cf', tar, '-C', source, '.']);
        await compare(tar, !PEER_FAULTS.test(`${name} ${flags.join(' ')}`));
      }
    });
  }

  test('readdir(3) shows "..": no directory is inode 0', async () => {
    const source = lab.fresh();
    mkdirSync(join(source, 'below'), { recursive: true });
    const tar = lab.fresh();
    await must(['tar', '-cf', tar, '-C', source, '.']);
    const view = await lab.view('erofs', tar);
    expect(statSync(view).ino).toBeGreaterThan(0);
    expect(await must(['busybox', 'ls', '-a', join(view, 'below')])).toBe('.\n..');
  });

  // GNU tar itself makes no pieces off the block borders, and cannot read them: Go's archive/tar can.
  for (const format of SPARSE_FORMATS) {
    test(`sparse files of any shape: ${format}`, async () => {
      const files = [...Object.entries(SHAPES), ...randomShapes(24)];
      const tar = lab.fresh();
      writeFileSync(
        tar,
        rawTar(...files.map(([name, [size, pieces]]) => sparseMember(format, name, size, pieces))),
      );
      for (const driver of ['erofs', 'overlay'] as const) {
        const root = await lab.view(driver, tar);
        for (const [name, [size, pieces]] of files) {
          const same = readFileSync(`${root}/${name}`).equals(sparseText(size, pieces));
          expect(`${driver} ${name} ${same}`).toBe(`${driver} ${name} true`);
        }
      }
    });
  }

  test('Debian', async () => {
    const tar = lab.fresh();
    await must(['sh', '-c', `zstd -qdc ${await debianTar()} > ${tar}`]);
    await compare(tar);
  });

  test("a Python environment, and this repository's packages", async () => {
    const source = lab.fresh();
    const repository = join(import.meta.dir, '../../..');
    await must(['python3', '-m', 'venv', '--without-pip', `${source}/venv`]);
    await must(['cp', '-a', '/usr/lib/python3', `${source}/venv/lib/`]);
    const tar = lab.fresh();
    // Bun's own program is as large as all the rest.
    const flags = [
      '--format=pax',
      '--exclude=@oven',
      '--exclude=bun.exe',
      '--transform=s,^node_modules,./&,',
    ];
    const trees = ['-C', source, '.', '-C', repository, 'node_modules'];
    await must(['tar', ...flags, '-cf', tar, ...trees]);
    await compare(tar);
  });
});

type Shape = readonly [size: number, pieces: Pieces];

const SHAPES: Readonly<Record<string, Shape>> = {
  aligned: [
    8192,
    [
      [512, 1024],
      [4096, 512],
    ],
  ],
  'aligned to the end': [
    5000,
    [
      [0, 512],
      [4608, 392],
    ],
  ],
  touching: [
    4096,
    [
      [0, 700],
      [700, 324],
      [1024, 1],
      [1025, 3071],
    ],
  ],
  'in one block': [
    512,
    [
      [1, 1],
      [3, 1],
      [500, 5],
    ],
  ],
  'empty pieces': [
    2000,
    [
      [0, 0],
      [100, 10],
      [2000, 0],
    ],
  ],
  nothing: [1_000_000, [[1_000_000, 0]]],
};

/** Pieces on borders of 4096 or 512 bytes, or on none; always the same. */
function randomShapes(count: number): Array<[string, Shape]> {
  let random = 7;
  const next = (below: number): number => {
    random = (random * 1103515245 + 12345) % 2147483648;
    return (random >> 8) % below;
  };
  return Array.from({ length: count }, (_, index) => {
    const unit = [1, 512, 4096][index % 3] ?? 1;
    const pieces: Array<[number, number]> = [];
    let end = 0;
    for (let left = next(60); left > 0; left--) {
      const offset = end + next(20) * unit;
      const length = (1 + next(8)) * unit;
      pieces.push([offset, length]);
      end = offset + length;
    }
    return [`random ${index}`, [end + next(3) * 300, pieces]];
  });
}
