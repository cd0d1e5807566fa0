import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { encodeTarHeader, type TarMember, tarEnd, tarPadding } from '../archive/tar-writer.ts';
import { isKind } from '../base/errors.ts';
import { mount, unmount } from '../kernel/mount.ts';
import { getXattr, listXattrs } from '../kernel/xattr.ts';
import type { Snapshotter } from './snapshots.ts';

/** A member with its contents. */
export type TestMember = TarMember & { readonly content?: string | Uint8Array };

/** A tar in memory. */
export function tarOf(...members: TestMember[]): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const member of members) {
    const content = Buffer.from(member.content ?? '');
    parts.push(
      encodeTarHeader({ ...member, size: content.byteLength }),
      content,
      tarPadding(content.byteLength),
    );
  }
  return Buffer.concat([...parts, tarEnd()]);
}

export function streamOfBytes(bytes: Uint8Array, piece = 64 * 1024): ReadableStream<Uint8Array> {
  let at = 0;
  return new ReadableStream<Uint8Array>({
    pull(controller): void {
      if (at >= bytes.byteLength) controller.close();
      else controller.enqueue(bytes.slice(at, at + piece));
      at += piece;
    },
  });
}

const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

const dir = (name: string, more: Partial<TestMember> = {}): TestMember => ({
  type: 'directory',
  name,
  mode: 0o755,
  ...more,
});
const file = (
  name: string,
  content: string | Uint8Array = name,
  more: Partial<TestMember> = {},
): TestMember => ({
  type: 'file',
  name,
  content,
  ...more,
});

/**
 * What every Snapshotter has to do, whatever it stores layers as. `make` gives a new one over an empty directory.
 * Needs root: it mounts.
 */
export function describeSnapshotter(name: string, make: (root: string) => Snapshotter): void {
  describe(`snapshotter ${name}`, () => {
    let base = '';
    let snapshotter: Snapshotter;
    const mounted: string[] = [];

    beforeAll(() => {
      base = mkdtempSync(`/tmp/tare-${name}-`);
      snapshotter = make(`${base}/store`);
    });
    afterEach(() => {
      for (const target of mounted.splice(0)) unmount(target);
    });
    afterAll(async () => {
      await snapshotter.close();
      rmSync(base, { recursive: true, force: true });
    });

    const apply = async (...members: TestMember[]): Promise<string> =>
      (await snapshotter.applyLayer(undefined, streamOfBytes(tarOf(...members)))).diffId;

    let counter = 0;
    const mountAll = (specs: ReturnType<Snapshotter['mounts']>): string => {
      const target = `${base}/m${counter++}`;
      mkdirSync(target);
      for (const spec of specs) {
        mount(spec.type, spec.source, target + (spec.target && `/${spec.target}`), spec.options);
        mounted.push(target);
      }
      return target;
    };
    const snapshot = async (...layers: string[]): Promise<{ key: string; root: string }> => {
      const key = `k${counter++}`;
      await snapshotter.prepare(key, layers);
      return { key, root: mountAll(snapshotter.mounts(key)) };
    };
    const changes = async (key: string, hidden: string[] = []): Promise<string[]> =>
      (await snapshotter.changes(key, hidden)).map(({ kind, path }) => `${kind} ${path}`);
    const bytesOf = async (stream: ReadableStream<Uint8Array>): Promise<Uint8Array> =>
      new Uint8Array(await new Response(stream).arrayBuffer());
    const failure = async (tar: Uint8Array, diffId?: string): Promise<unknown> =>
      snapshotter.applyLayer(diffId, streamOfBytes(tar)).then(
        () => undefined,
        (error: unknown) => error,
      );

    test('a layer is stored once, checked, listed and removed', async () => {
      const tar = tarOf(dir('a'), file('a/x', 'hello'));
      const diffId = digestOf(tar);
      const info = await snapshotter.applyLayer(diffId, streamOfBytes(tar));
      expect(info).toEqual({ diffId, size: 5, tarSize: tar.byteLength });
      expect(snapshotter.hasLayer(diffId)).toBe(true);
      let read = false;
      const untouched = new ReadableStream<Uint8Array>(
        {
          pull(): void {
            read = true;
          },
        },
        { highWaterMark: 0 },
      );
      expect(await snapshotter.applyLayer(diffId, untouched)).toEqual(info);
      expect(read).toBe(false);
      expect(await snapshotter.applyLayer(undefined, streamOfBytes(tar))).toEqual(info);
      expect(snapshotter.listLayers().filter((layer) => layer.diffId === diffId)).toHaveLength(1);
      await snapshotter.removeLayer(diffId);
      expect(snapshotter.hasLayer(diffId)).toBe(false);
      expect(() => snapshotter.layerTar(diffId)).toThrow('no such layer');
    });

    test('two writers of one layer make one', async () => {
      const tar = tarOf(file('twice', 'x'.repeat(100_000)));
      const diffId = digestOf(tar);
      const infos = await Promise.all(
        [1, 2, 3].map((i) => snapshotter.applyLayer(i === 2 ? undefined : diffId, streamOfBytes(tar))),
      );
      expect(new Set(infos.map((info) => info.diffId))).toEqual(new Set([diffId]));
      expect(await bytesOf(snapshotter.layerTar(diffId))).toEqual(tar);
    });

    test('a wrong digest is corrupt and leaves nothing', async () => {
      const tar = tarOf(file('wrong'));
      const error = await failure(tar, `sha256:${'0'.repeat(64)}`);
      expect(isKind(error, 'corrupt')).toBe(true);
      expect(snapshotter.hasLayer(digestOf(tar))).toBe(false);
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
      await expect(snapshotter.applyLayer(digestOf(tar), broken)).rejects.toThrow('connection lost');
      expect(snapshotter.hasLayer(digestOf(tar))).toBe(false);
      expect((await snapshotter.applyLayer(digestOf(tar), streamOfBytes(tar))).size).toBe(3_000_000);
    });

    test('the tree is what GNU tar extracts, and the tar comes back byte for byte', async () => {
      const source = makeCorpus(`${base}/corpus`);
      for (const format of ['gnu', 'pax', 'ustar']) {
        const flags = format === 'pax' ? ['--xattrs', '--xattrs-include=*'] : [];
        const leaveOut = format === 'ustar' ? ['--exclude=*long*', '--exclude=*deep*', '--exclude=old'] : [];
        const tar = `${base}/corpus-${format}.tar`;
        execFileSync(
          'tar',
          ['--format', format, ...flags, ...leaveOut, '--sparse', '-cf', tar, '-C', source, '.'].filter(
            (arg) => format !== 'ustar' || arg !== '--sparse',
          ),
        );
        const bytes = readFileSync(tar);
        const { diffId } = await snapshotter.applyLayer(undefined, streamOfBytes(bytes, 10_007));
        expect(diffId).toBe(digestOf(bytes));
        expect(digestOf(await bytesOf(snapshotter.layerTar(diffId)))).toBe(diffId);
        const expected = `${base}/gnu-${format}`;
        mkdirSync(expected);
        execFileSync('tar', [...flags, '--numeric-owner', '-xpf', tar, '-C', expected]);
        const root = mountAll(snapshotter.viewMounts([diffId]));
        expect(describeTree(root)).toEqual(describeTree(expected));
      }
    });

    test('whiteouts and opaque directories hide what lies below', async () => {
      const lower = await apply(
        dir('d'),
        file('d/a'),
        file('d/b'),
        dir('e'),
        file('e/a'),
        file('f'),
        dir('g'),
        file('g/x'),
      );
      const upper = await apply(
        file('d/.wh.a', ''),
        dir('e'),
        file('e/.wh..wh..opq', ''),
        file('e/new'),
        file('.wh.f', ''),
        file('.wh.g', ''),
        dir('g'),
        file('g/y'),
      );
      const root = mountAll(snapshotter.viewMounts([lower, upper]));
      expect(readdirSync(`${root}/d`)).toEqual(['b']);
      expect(readdirSync(`${root}/e`)).toEqual(['new']);
      expect(existsSync(`${root}/f`)).toBe(false);
      // The whiteout speaks of the lower layer only, whatever comes first.
      expect(readdirSync(`${root}/g`)).toEqual(['y']);
    });

    test('an opaque root hides all layers below', async () => {
      const lower = await apply(file('below'));
      const upper = await apply(file('.wh..wh..opq', ''), file('above'));
      const root = mountAll(snapshotter.viewMounts([lower, upper]));
      expect(readdirSync(root)).toEqual(['above']);
    });

    test('a view of one layer, and of none', async () => {
      const layer = await apply(file('only'));
      expect(readdirSync(mountAll(snapshotter.viewMounts([layer])))).toEqual(['only']);
      expect(readdirSync(mountAll(snapshotter.viewMounts([])))).toEqual([]);
    });

    test('127 layers, as many as Docker allows', async () => {
      const layers: string[] = [];
      for (let i = 0; i < 127; i++) layers.push(await apply(file(`layer-${i}`), file('top', String(i))));
      const { root, key } = await snapshot(...layers);
      expect(readdirSync(root)).toHaveLength(128);
      expect(readFileSync(`${root}/top`, 'utf8')).toBe('126');
      rmSync(`${root}/top`);
      expect(await changes(key)).toEqual(['D /top']);
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
      const { diffId } = await snapshotter.applyLayer(undefined, streamOfBytes(tar));
      const root = mountAll(snapshotter.viewMounts([diffId]));
      const text = (path: string): string => readFileSync(`${root}/${path}`, 'utf8');
      expect([text('x'), text('d'), text('y/in'), text('s'), text('h1'), text('h2'), text('m/kept')]).toEqual(
        ['second', 'now a file', 'in y', 'no link any more', 'replaced', 'linked', 'kept'],
      );
      expect(statSync(`${root}/m`).mode & 0o777).toBe(0o711);
      expect(await bytesOf(snapshotter.layerTar(diffId))).toEqual(tar);
    });

    test('names are normalised and links are resolved inside the layer', async () => {
      const layer = await apply(
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
      const root = mountAll(snapshotter.viewMounts([layer]));
      for (const path of ['absolute', 'dot/slashes', 'b', 'usr/lib/so', 'etc/tare-test', 'var/tare-test']) {
        expect(lstatSync(`${root}/${path}`).isFile()).toBe(true);
      }
      expect(lstatSync(`${root}/again`).ino).toBe(lstatSync(`${root}/usr/lib/so`).ino);
      expect(readlinkSync(`${root}/up`)).toBe('../../../../etc');
      expect(existsSync('/etc/tare-test')).toBe(false);
      expect(existsSync('/var/tare-test')).toBe(false);
    });

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
      'a loop of links': [
        { type: 'symlink', name: 'a', linkName: 'b' },
        { type: 'symlink', name: 'b', linkName: 'a' },
        file('a/x'),
      ],
      'a file as parent': [file('f'), file('f/x')],
      'a device as parent': [{ type: 'character', name: 'n', major: 1, minor: 3 }, file('n/x')],
      'a whiteout of nothing': [file('d/.wh.', '')],
      'a whiteout of the parent': [file('d/.wh...', '')],
      'a device as root': [{ type: 'character', name: './', major: 1, minor: 3 }],
    };
    for (const [what, members] of Object.entries(malicious)) {
      test(`refused: ${what}`, async () => {
        const tar = tarOf(file('good'), ...members);
        const error = await failure(tar);
        expect(isKind(error, 'corrupt', 'invalid')).toBe(true);
        expect(snapshotter.hasLayer(digestOf(tar))).toBe(false);
        expect(existsSync('/tmp/evil')).toBe(false);
      });
    }

    test('truncated layers are corrupt, wherever they are cut', async () => {
      const tar = tarOf(
        dir('d'),
        file('d/x', 'x'.repeat(2000)),
        file(`d/${'n'.repeat(120)}`, 'y'),
        file('z'),
      );
      let random = 12345;
      for (let i = 0; i < 25; i++) {
        random = (random * 1103515245 + 12345) % 2147483648;
        const cut = tar.subarray(0, 1 + (random % (tar.byteLength - 1024)));
        const error = await failure(cut, digestOf(tar));
        expect(isKind(error, 'corrupt')).toBe(true);
      }
      expect(snapshotter.hasLayer(digestOf(tar))).toBe(false);
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
        const error = await failure(damaged);
        expect(error === undefined || isKind(error, 'corrupt', 'invalid', 'exhausted')).toBe(true);
        if (error === undefined) {
          expect(await bytesOf(snapshotter.layerTar(digestOf(damaged)))).toEqual(new Uint8Array(damaged));
        }
      }
    });

    test('an empty tar is an empty layer', async () => {
      const empty = new Uint8Array(1024);
      const { diffId, size } = await snapshotter.applyLayer(undefined, streamOfBytes(empty));
      expect(size).toBe(0);
      expect(await bytesOf(snapshotter.layerTar(diffId))).toEqual(empty);
    });

    test('prepare: missing layers, bad and taken keys', async () => {
      const layer = await apply(file('p'));
      await expect(snapshotter.prepare('miss', [`sha256:${'1'.repeat(64)}`])).rejects.toThrow(
        'no such layer',
      );
      expect(snapshotter.has('miss')).toBe(false);
      await expect(snapshotter.prepare('../x', [layer])).rejects.toThrow('invalid snapshot key');
      await snapshotter.prepare('taken', [layer]);
      const again = await snapshotter.prepare('taken', [layer]).catch((error: unknown) => error);
      expect(isKind(again, 'conflict')).toBe(true);
      expect(snapshotter.listSnapshots()).toContain('taken');
      expect(snapshotter.layersInUse().has(layer)).toBe(true);
      await snapshotter.remove('taken');
      await snapshotter.remove('taken');
      expect(snapshotter.has('taken')).toBe(false);
      expect(() => snapshotter.mounts('taken')).toThrow('no such snapshot');
    });

    test('the root directory keeps the mode and owner that the layer gives it', async () => {
      const layer = await apply(dir('./', { mode: 0o1711, uid: 7, gid: 8 }), file('r'));
      const { root } = await snapshot(layer);
      const { mode, uid, gid } = statSync(root);
      expect([mode & 0o7777, uid, gid]).toEqual([0o1711, 7, 8]);
    });

    test('changes and diff tell what a snapshot did, and the diff does it again', async () => {
      const layer = await apply(
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
      const { key, root } = await snapshot(layer);
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
      expect(await changes(key)).toEqual([
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
      const tar = await bytesOf(snapshotter.diff(key));
      expect(digestOf(await bytesOf(snapshotter.diff(key)))).toBe(digestOf(tar));
      const second = await snapshotter.applyLayer(undefined, streamOfBytes(tar));
      const wanted = describeTree(root, true);
      const view = mountAll(snapshotter.viewMounts([layer, second.diffId]));
      expect(describeTree(view, true)).toEqual(wanted);
      expect(readdirSync(`${view}/replace`).sort()).toEqual(['both', 'fresh']);
      expect((await snapshotter.usage(key)).bytes).toBeGreaterThan(0);
    });

    test('a second look shows a mounted snapshot, read-only', async () => {
      const layer = await apply(dir('d'), file('d/lower'), file('gone'));
      const { key, root } = await snapshot(layer);
      writeFileSync(`${root}/d/upper`, 'x');
      rmSync(`${root}/gone`);
      const look = mountAll(snapshotter.secondLook(key));
      expect(readdirSync(`${look}/d`).sort()).toEqual(['lower', 'upper']);
      expect(readdirSync(look)).toEqual(['d']);
      expect(() => writeFileSync(`${look}/new`, '')).toThrow('EROFS');
    });

    test('a snapshot that did nothing has no changes; mount points do not count', async () => {
      const layer = await apply(dir('etc'), file('etc/passwd'));
      const { key, root } = await snapshot(layer);
      expect(await changes(key)).toEqual([]);
      mkdirSync(`${root}/data/deep`, { recursive: true });
      writeFileSync(`${root}/etc/hosts`, '');
      expect(await changes(key, ['/data/deep', '/etc/hosts'])).toEqual([]);
      expect(await changes(key)).toEqual(['A /data', 'A /data/deep', 'C /etc', 'A /etc/hosts']);
      writeFileSync(`${root}/data/deep/kept`, 'x');
      expect(await changes(key, ['/data/deep', '/etc/hosts'])).toEqual([
        'A /data',
        'A /data/deep',
        'A /data/deep/kept',
      ]);
    });

    test('a new instance knows layers and snapshots; sweep takes only what is half-made', async () => {
      const root = `${base}/again`;
      const first = make(root);
      const tar = tarOf(file('again', 'contents'));
      const { diffId } = await first.applyLayer(undefined, streamOfBytes(tar));
      await first.prepare('snap', [diffId]);
      await first.close();
      const second = make(root);
      await second.sweep();
      expect(second.hasLayer(diffId)).toBe(true);
      expect(second.has('snap')).toBe(true);
      expect(await bytesOf(second.layerTar(diffId))).toEqual(tar);
      await second.close();
    });

    test('a full disk is exhausted and leaves room again', async () => {
      const disk = `${base}/disk`;
      mkdirSync(disk);
      mount('tmpfs', 'tmpfs', disk, ['size=8m']);
      const small = make(`${disk}/store`);
      try {
        const tar = tarOf(file('big', new Uint8Array(20_000_000).fill(1)));
        const error = await small.applyLayer(undefined, streamOfBytes(tar)).catch((e: unknown) => e);
        expect(isKind(error, 'exhausted')).toBe(true);
        expect(String(error)).toContain('no space left on device');
        await small.close();
        const fits = make(`${disk}/store`);
        expect(
          (await fits.applyLayer(undefined, streamOfBytes(tarOf(file('small', 'x'.repeat(1_000_000)))))).size,
        ).toBe(1_000_000);
        await fits.close();
      } finally {
        unmount(disk);
      }
    });
  });
}

/** A tree with everything that tars can hold. */
function makeCorpus(root: string): string {
  const run = (...argv: string[]): void => {
    execFileSync(argv[0] ?? '', argv.slice(1));
  };
  const deep = `${root}/deep/${Array.from({ length: 12 }, (_, i) => `level-${i}-${'d'.repeat(20)}`).join('/')}`;
  mkdirSync(deep, { recursive: true });
  writeFileSync(`${deep}/${'long-name-'.repeat(20)}`, 'long');
  writeFileSync(`${root}/${'long'.repeat(60)}`, 'longest');
  writeFileSync(Buffer.from(`${root}/bytes-\xff\xfe`, 'latin1'), 'not utf-8');
  writeFileSync(`${root}/ünïcode-名前`, 'utf-8');
  writeFileSync(`${root}/empty`, '');
  writeFileSync(`${root}/block`, 'b'.repeat(512));
  writeFileSync(`${root}/large`, Buffer.alloc(3_000_001, 'large file '));
  writeFileSync(`${root}/setuid`, 'suid');
  run('chmod', '6755', `${root}/setuid`);
  run('chown', '12345:54321', `${root}/block`);
  run('chown', '3000000000:3000000001', `${root}/${'long'.repeat(60)}`);
  mkdirSync(`${root}/sticky`);
  run('chmod', '3777', `${root}/sticky`);
  writeFileSync(`${root}/sticky/inside`, 'in a set-gid directory');
  run('ln', `${root}/large`, `${root}/sticky/hard`);
  symlinkSync('large', `${root}/sym`);
  symlinkSync('/nowhere/../..', `${root}/dangling`);
  run('ln', '-P', `${root}/sym`, `${root}/sym-hard`);
  run('mknod', `${root}/fifo`, 'p');
  run('mknod', `${root}/null`, 'c', '1', '3');
  run('mknod', `${root}/disk`, 'b', '259', '70000');
  run('truncate', '-s', '5M', `${root}/sparse`);
  run(
    'dd',
    'if=/dev/zero',
    `of=${root}/sparse`,
    'bs=1',
    'count=3',
    'seek=2000000',
    'conv=notrunc',
    'status=none',
  );
  execFileSync('dd', [`of=${root}/sparse`, 'bs=1', 'seek=3000000', 'conv=notrunc', 'status=none'], {
    input: 'data',
  });
  writeFileSync(`${root}/caps`, 'x');
  run(
    'setfattr',
    '-n',
    'security.capability',
    '-v',
    '0x0100000200040000000000000000000000000000',
    `${root}/caps`,
  );
  run('setfattr', '-n', 'user.empty', `${root}/caps`);
  run('setfattr', '-n', 'user.binary', '-v', '0x00ff0a3d', `${root}/sticky`);
  writeFileSync(`${root}/old`, 'before 1970');
  run('touch', '-d', '1960-01-02T03:04:05', `${root}/old`);
  run('touch', '-h', '-d', '2001-02-03T04:05:06.789', `${root}/sym`);
  run('touch', '-d', '2011-12-13T14:15:16.123456789', `${root}/sticky`, `${root}/empty`);
  return root;
}

/** Everything that matters of a tree, one line a name. `loose`: times in seconds, and none of directories. */
export function describeTree(root: string, loose = false): string[] {
  const lines: string[] = [];
  const inodes = new Map<number, string>();
  const visit = (directory: string): void => {
    for (const name of readdirSync(Buffer.from(root + directory, 'latin1'), {
      encoding: 'latin1' as BufferEncoding,
    }).sort()) {
      const path = `${directory}/${name}`;
      const real = Buffer.from(root + path, 'latin1');
      const status = lstatSync(real, { bigint: true });
      const isDirectory = status.isDirectory();
      const time = loose ? (isDirectory ? '' : status.mtimeMs / 1000n) : status.mtimeNs;
      let line = `${path} ${status.mode.toString(8)} ${status.uid}:${status.gid} ${time}`;
      if (status.isFile())
        line += ` ${status.size} ${createHash('sha256').update(readFileSync(real)).digest('hex')}`;
      if (status.isSymbolicLink())
        line += ` -> ${readlinkSync(real, { encoding: 'latin1' as BufferEncoding })}`;
      if (status.isCharacterDevice() || status.isBlockDevice()) line += ` ${status.rdev}`;
      if (!isDirectory && status.nlink > 1n) {
        const first = inodes.get(Number(status.ino)) ?? path;
        inodes.set(Number(status.ino), first);
        line += ` = ${first}`;
      }
      for (const attribute of listXattrs(root + path)) {
        if (attribute.startsWith('trusted.overlay.')) continue;
        line += ` ${attribute}=${Buffer.from(getXattr(root + path, attribute) ?? []).toString('hex')}`;
      }
      lines.push(line);
      if (isDirectory) visit(path);
    }
  };
  visit('');
  return lines;
}
