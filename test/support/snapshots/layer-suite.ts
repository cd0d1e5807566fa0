import { expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
} from 'node:fs';
import { isKind } from '../../../src/base/errors.ts';
import type { SnapshotLab } from './snapshot-lab.ts';
import { bytesOf, digestOf, dir, file, streamOfBytes, tarOf } from './tar-bytes.ts';
import { makeCorpus } from './tar-corpus.ts';
import { describeTree } from './tree-listing.ts';

/** Layers: stored once, whole, exact, stacked. */
export function layerTests(use: () => SnapshotLab): void {
  test('a layer is stored once, checked, listed and removed', async () => {
    const tar = tarOf(dir('a'), file('a/x', 'hello'));
    const diffId = digestOf(tar);
    const info = await use().snapshotter.applyLayer(diffId, streamOfBytes(tar));
    expect(info).toEqual({ diffId, size: 5, tarSize: tar.byteLength });
    expect(use().snapshotter.hasLayer(diffId)).toBe(true);
    let read = false;
    const untouched = new ReadableStream<Uint8Array>(
      {
        pull(): void {
          read = true;
        },
      },
      { highWaterMark: 0 },
    );
    expect(await use().snapshotter.applyLayer(diffId, untouched)).toEqual(info);
    expect(read).toBe(false);
    expect(await use().snapshotter.applyLayer(undefined, streamOfBytes(tar))).toEqual(info);
    expect(
      use()
        .snapshotter.listLayers()
        .filter((layer) => layer.diffId === diffId),
    ).toHaveLength(1);
    await use().snapshotter.removeLayer(diffId);
    expect(use().snapshotter.hasLayer(diffId)).toBe(false);
    expect(() => use().snapshotter.layerTar(diffId)).toThrow('no such layer');
  });

  test('two writers of one layer make one', async () => {
    const tar = tarOf(file('twice', 'x'.repeat(100_000)));
    const diffId = digestOf(tar);
    const { snapshotter } = use();
    const found = await Promise.all(
      [undefined, diffId, undefined].map(async (known) => {
        const info = await snapshotter.applyLayer(known, streamOfBytes(tar));
        // Whoever has been told of it can use it at once.
        return [info.diffId, snapshotter.hasLayer(info.diffId)];
      }),
    );
    expect(found).toEqual([1, 2, 3].map(() => [diffId, true]));
    expect(await bytesOf(use().snapshotter.layerTar(diffId))).toEqual(tar);
  });

  test('a wrong digest is corrupt and leaves nothing', async () => {
    const tar = tarOf(file('wrong'));
    const error = await use().failure(tar, `sha256:${'0'.repeat(64)}`);
    expect(isKind(error, 'corrupt')).toBe(true);
    expect(use().snapshotter.hasLayer(digestOf(tar))).toBe(false);
  });

  test('a source that fails leaves nothing, and the next try succeeds', async () => {
    const tar = tarOf(file('source', 'y'.repeat(3_000_000)));
    let sent = false;
    const broken = new ReadableStream<Uint8Array>({
      pull(controller): void {
        if (sent) controller.error(new Error('connection lost'));
        else controller.enqueue(tar.slice(0, 2_000_000));
        sent = true;
      },
    });
    await expect(use().snapshotter.applyLayer(digestOf(tar), broken)).rejects.toThrow('connection lost');
    expect(use().snapshotter.hasLayer(digestOf(tar))).toBe(false);
    expect((await use().snapshotter.applyLayer(digestOf(tar), streamOfBytes(tar))).size).toBe(3_000_000);
  });

  test('the tree is what GNU tar extracts, and the tar comes back byte for byte', async () => {
    const source = makeCorpus(`${use().base}/corpus`);
    for (const format of ['gnu', 'pax', 'ustar']) {
      const flags = format === 'pax' ? ['--xattrs', '--xattrs-include=*'] : [];
      const leaveOut = format === 'ustar' ? ['--exclude=*long*', '--exclude=*deep*', '--exclude=old'] : [];
      const tar = `${use().base}/corpus-${format}.tar`;
      execFileSync(
        'tar',
        ['--format', format, ...flags, ...leaveOut, '--sparse', '-cf', tar, '-C', source, '.'].filter(
          (arg) => format !== 'ustar' || arg !== '--sparse',
        ),
      );
      const bytes = readFileSync(tar);
      const { diffId } = await use().snapshotter.applyLayer(undefined, streamOfBytes(bytes, 10_007));
      expect(diffId).toBe(digestOf(bytes));
      expect(digestOf(await bytesOf(use().snapshotter.layerTar(diffId)))).toBe(diffId);
      const expected = `${use().base}/gnu-${format}`;
      mkdirSync(expected);
      execFileSync('tar', [...flags, '--numeric-owner', '-xpf', tar, '-C', expected]);
      const root = use().mountAll(use().snapshotter.viewMounts([diffId]));
      expect(describeTree(root)).toEqual(describeTree(expected));
    }
  });

  test('whiteouts and opaque directories hide what lies below', async () => {
    const lower = await use().apply(
      dir('d'),
      file('d/a'),
      file('d/b'),
      dir('e'),
      file('e/a'),
      file('f'),
      dir('g'),
      file('g/x'),
    );
    const upper = await use().apply(
      file('d/.wh.a', ''),
      dir('e'),
      file('e/.wh..wh..opq', ''),
      file('e/new'),
      file('.wh.f', ''),
      file('.wh.g', ''),
      dir('g'),
      file('g/y'),
    );
    const root = use().mountAll(use().snapshotter.viewMounts([lower, upper]));
    expect(readdirSync(`${root}/d`)).toEqual(['b']);
    expect(readdirSync(`${root}/e`)).toEqual(['new']);
    expect(existsSync(`${root}/f`)).toBe(false);
    // The whiteout speaks of the lower layer only, whatever comes first.
    expect(readdirSync(`${root}/g`)).toEqual(['y']);
  });

  test('an opaque root hides all layers below', async () => {
    const lower = await use().apply(file('below'));
    const upper = await use().apply(file('.wh..wh..opq', ''), file('above'));
    const root = use().mountAll(use().snapshotter.viewMounts([lower, upper]));
    expect(readdirSync(root)).toEqual(['above']);
  });

  test('a view of one layer, and of none', async () => {
    const layer = await use().apply(file('only'));
    expect(readdirSync(use().mountAll(use().snapshotter.viewMounts([layer])))).toEqual(['only']);
    expect(readdirSync(use().mountAll(use().snapshotter.viewMounts([])))).toEqual([]);
  });

  test('127 layers, as many as Docker allows', async () => {
    const layers: string[] = [];
    for (let i = 0; i < 127; i++) layers.push(await use().apply(file(`layer-${i}`), file('top', String(i))));
    const { root, key } = await use().snapshot(...layers);
    expect(readdirSync(root)).toHaveLength(128);
    expect(readFileSync(`${root}/top`, 'utf8')).toBe('126');
    rmSync(`${root}/top`);
    expect(await use().changes(key)).toEqual(['D /top']);
  });

  test('a later member replaces an earlier one, and the tar still comes back', async () => {
    const tar = tarOf(
      file('x', 'first contents'),
      file('x', 'second'),
      dir('d'),
      file('d/in', 'inside'),
      file('d', 'now a file'),
      file('y', 'file'),
      dir('y'),
      file('y/in', 'in y'),
      { type: 'symlink', name: 's', linkName: 'x' },
      file('s', 'no link any more'),
      file('h1', 'linked'),
      { type: 'link', name: 'h2', linkName: 'h1' },
      file('h1', 'replaced'),
      dir('m', { mode: 0o700 }),
      file('m/kept', 'kept'),
      dir('m', { mode: 0o711 }),
    );
    const { diffId } = await use().snapshotter.applyLayer(undefined, streamOfBytes(tar));
    const root = use().mountAll(use().snapshotter.viewMounts([diffId]));
    const text = (path: string): string => readFileSync(`${root}/${path}`, 'utf8');
    expect([text('x'), text('d'), text('y/in'), text('s'), text('h1'), text('h2'), text('m/kept')]).toEqual([
      'second',
      'now a file',
      'in y',
      'no link any more',
      'replaced',
      'linked',
      'kept',
    ]);
    expect(statSync(`${root}/m`).mode & 0o777).toBe(0o711);
    expect(await bytesOf(use().snapshotter.layerTar(diffId))).toEqual(tar);
  });

  test('names are normalised and links are resolved inside the layer', async () => {
    const layer = await use().apply(
      file('/absolute'),
      file('./dot//slashes'),
      file('a/../b'),
      { type: 'symlink', name: 'lib', linkName: 'usr/lib' },
      file('lib/so'),
      { type: 'symlink', name: 'up', linkName: '../../../../etc' },
      file('up/tare-test'),
      { type: 'symlink', name: 'abs', linkName: '/var' },
      file('abs/tare-test'),
      { type: 'link', name: 'again', linkName: '/lib/so' },
    );
    const root = use().mountAll(use().snapshotter.viewMounts([layer]));
    for (const path of ['absolute', 'dot/slashes', 'b', 'usr/lib/so', 'etc/tare-test', 'var/tare-test']) {
      expect(lstatSync(`${root}/${path}`).isFile()).toBe(true);
    }
    expect(lstatSync(`${root}/again`).ino).toBe(lstatSync(`${root}/usr/lib/so`).ino);
    expect(readlinkSync(`${root}/up`)).toBe('../../../../etc');
    expect(existsSync('/etc/tare-test')).toBe(false);
    expect(existsSync('/var/tare-test')).toBe(false);
  });
}
