import { expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { isKind } from '../../../src/base/errors.ts';
import { mount, unmount } from '../../../src/kernel/mount.ts';
import type { SnapshotLab } from './snapshot-lab.ts';
import { bytesOf, digestOf, dir, file, streamOfBytes, tarOf } from './tar-bytes.ts';
import { describeTree } from './tree-listing.ts';

/** Snapshots: keys, changes, diffs, restarts, full disks. */
export function snapshotTests(use: () => SnapshotLab): void {
  test('prepare: missing layers, bad and taken keys', async () => {
    const layer = await use().apply(file('p'));
    await expect(use().snapshotter.prepare('miss', [`sha256:${'1'.repeat(64)}`])).rejects.toThrow(
      'no such layer',
    );
    expect(use().snapshotter.has('miss')).toBe(false);
    await expect(use().snapshotter.prepare('../x', [layer])).rejects.toThrow('invalid snapshot key');
    await use().snapshotter.prepare('taken', [layer]);
    const again = await use()
      .snapshotter.prepare('taken', [layer])
      .catch((error: unknown) => error);
    expect(isKind(again, 'conflict')).toBe(true);
    expect(use().snapshotter.listSnapshots()).toContain('taken');
    expect(use().snapshotter.layersInUse().has(layer)).toBe(true);
    await use().snapshotter.remove('taken');
    await use().snapshotter.remove('taken');
    expect(use().snapshotter.has('taken')).toBe(false);
    expect(() => use().snapshotter.mounts('taken')).toThrow('no such snapshot');
  });

  test('the root directory keeps the mode and owner that the layer gives it', async () => {
    const layer = await use().apply(dir('./', { mode: 0o1711, uid: 7, gid: 8 }), file('r'));
    const { root } = await use().snapshot(layer);
    const { mode, uid, gid } = statSync(root);
    expect([mode & 0o7777, uid, gid]).toEqual([0o1711, 7, 8]);
  });

  test('a layer that comes several times, as the empty one does', async () => {
    const empty = await use().apply();
    const one = await use().apply(file('d/one', '1'), file('f', 'first'));
    const other = await use().apply(file('d/.wh.one', ''), file('f', 'second'), file('g'));
    const { key, root } = await use().snapshot(empty, one, empty, other, one, empty);
    expect(readdirSync(root).sort()).toEqual(['d', 'f', 'g']);
    expect(readFileSync(`${root}/d/one`, 'utf8')).toBe('1');
    expect(readFileSync(`${root}/f`, 'utf8')).toBe('first');
    rmSync(`${root}/d/one`);
    expect(await use().changes(key)).toEqual(['C /d', 'D /d/one']);
    await use().snapshotter.remove(key);
  });

  test('changes and diff tell what a snapshot did, and the diff does it again', async () => {
    const layer = await use().apply(
      dir('etc'),
      file('etc/keep'),
      file('etc/gone'),
      file('etc/edit'),
      file('etc/mode'),
      dir('replace'),
      file('replace/old'),
      file('replace/both'),
      dir('rm'),
      file('rm/x'),
      dir('untouched'),
      file('untouched/x'),
      dir('meta'),
      file('tofile/x'),
    );
    const { key, root } = await use().snapshot(layer);
    writeFileSync(`${root}/etc/edit`, 'edited');
    rmSync(`${root}/etc/gone`);
    execFileSync('chmod', ['4711', `${root}/etc/mode`]);
    rmSync(`${root}/replace`, { recursive: true });
    mkdirSync(`${root}/replace`);
    writeFileSync(`${root}/replace/both`, 'new');
    writeFileSync(`${root}/replace/fresh`, 'fresh');
    rmSync(`${root}/rm`, { recursive: true });
    rmSync(`${root}/tofile`, { recursive: true });
    writeFileSync(`${root}/tofile`, 'a file');
    execFileSync('chmod', ['700', `${root}/meta`]);
    mkdirSync(`${root}/new/sub`, { recursive: true });
    writeFileSync(`${root}/new/sub/f`, 'f');
    execFileSync('ln', [`${root}/new/sub/f`, `${root}/new/hard`]);
    symlinkSync('/etc/keep', `${root}/new/sym`);
    execFileSync('mknod', [`${root}/new/fifo`, 'p']);
    execFileSync('setfattr', ['-n', 'user.tare', '-v', 'yes', `${root}/new/sub/f`]);
    readFileSync(`${root}/untouched/x`);
    expect(await use().changes(key)).toEqual([
      'C /etc',
      'C /etc/edit',
      'D /etc/gone',
      'C /etc/mode',
      'C /meta',
      'A /new',
      'A /new/fifo',
      'A /new/hard',
      'A /new/sub',
      'A /new/sub/f',
      'A /new/sym',
      'C /replace',
      'C /replace/both',
      'A /replace/fresh',
      'D /replace/old',
      'D /rm',
      'C /tofile',
    ]);
    const tar = await bytesOf(use().snapshotter.diff(key));
    expect(digestOf(await bytesOf(use().snapshotter.diff(key)))).toBe(digestOf(tar));
    const second = await use().snapshotter.applyLayer(undefined, streamOfBytes(tar));
    const wanted = describeTree(root, true);
    const view = use().mountAll(use().snapshotter.viewMounts([layer, second.diffId]));
    expect(describeTree(view, true)).toEqual(wanted);
    expect(readdirSync(`${view}/replace`).sort()).toEqual(['both', 'fresh']);
    expect((await use().snapshotter.usage(key)).bytes).toBeGreaterThan(0);
  });

  test('a second look shows a mounted snapshot, read-only', async () => {
    const layer = await use().apply(dir('d'), file('d/lower'), file('gone'));
    const { key, root } = await use().snapshot(layer);
    writeFileSync(`${root}/d/upper`, 'x');
    rmSync(`${root}/gone`);
    const look = use().mountAll(use().snapshotter.secondLook(key));
    expect(readdirSync(`${look}/d`).sort()).toEqual(['lower', 'upper']);
    expect(readdirSync(look)).toEqual(['d']);
    expect(() => writeFileSync(`${look}/new`, '')).toThrow('EROFS');
  });

  test('a snapshot that did nothing has no changes; mount points do not count', async () => {
    const layer = await use().apply(dir('etc'), file('etc/passwd'));
    const { key, root } = await use().snapshot(layer);
    expect(await use().changes(key)).toEqual([]);
    mkdirSync(`${root}/data/deep`, { recursive: true });
    writeFileSync(`${root}/etc/hosts`, '');
    expect(await use().changes(key, ['/data/deep', '/etc/hosts'])).toEqual([]);
    expect(await use().changes(key)).toEqual(['A /data', 'A /data/deep', 'C /etc', 'A /etc/hosts']);
    writeFileSync(`${root}/data/deep/kept`, 'x');
    expect(await use().changes(key, ['/data/deep', '/etc/hosts'])).toEqual([
      'A /data',
      'A /data/deep',
      'A /data/deep/kept',
    ]);
  });

  test('a new instance knows layers and snapshots; sweep takes only what is half-made', async () => {
    const root = `${use().base}/again`;
    const first = use().make(root);
    const tar = tarOf(file('again', 'contents'));
    const { diffId } = await first.applyLayer(undefined, streamOfBytes(tar));
    await first.prepare('snap', [diffId]);
    await first.close();
    const second = use().make(root);
    await second.sweep();
    expect(second.hasLayer(diffId)).toBe(true);
    expect(second.has('snap')).toBe(true);
    expect(await bytesOf(second.layerTar(diffId))).toEqual(tar);
    await second.close();
  });

  test('a full disk is exhausted and leaves room again', async () => {
    const disk = `${use().base}/disk`;
    mkdirSync(disk);
    mount('tmpfs', 'tmpfs', disk, ['size=8m']);
    const small = use().make(`${disk}/store`);
    try {
      const tar = tarOf(file('big', new Uint8Array(20_000_000).fill(1)));
      const error = await small.applyLayer(undefined, streamOfBytes(tar)).catch((e: unknown) => e);
      expect(isKind(error, 'exhausted')).toBe(true);
      expect(String(error)).toContain('no space left on device');
      await small.close();
      const fits = use().make(`${disk}/store`);
      expect(
        (await fits.applyLayer(undefined, streamOfBytes(tarOf(file('small', 'x'.repeat(1_000_000)))))).size,
      ).toBe(1_000_000);
      await fits.close();
    } finally {
      unmount(disk);
    }
  });
}
