import { afterAll, afterEach, beforeEach, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { file, ImageLab, type Setup, stream, tarOf } from '../../../test/support/image-lab.ts';
import { isKind } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { listMounts } from '../../kernel/mount.ts';
import { ImageMounts } from './image-mounts.ts';

const lab = new ImageLab();
afterAll(() => lab.close());

let directory: string;
let store: Setup;
let mounts: ImageMounts;

const open = (): ImageMounts => {
  const made = new ImageMounts({
    directory,
    images: store.images,
    snapshotter: store.snapshotter,
    log: silentLogger,
  });
  made.adopt();
  return made;
};
const mounted = () => listMounts().filter(({ target }) => target.startsWith(directory));

beforeEach(async () => {
  directory = mkdtempSync('/tmp/tare-views-');
  store = lab.fresh();
  const options = { message: '', changes: [] };
  await store.images.importTar(stream(tarOf(file('etc/x', 'one'))), { reference: 'one:1', ...options });
  await store.images.importTar(stream(tarOf(file('etc/x', 'two'))), { reference: 'two:1', ...options });
  mounts = open();
});
afterEach(() => {
  for (const { image } of mounts.list()) mounts.unmount(image.id);
  expect(mounted()).toEqual([]);
  rmSync(directory, { recursive: true, force: true });
});

test('a view shows the image and cannot be changed', () => {
  const { image, path } = mounts.mount('one:1');
  expect(readFileSync(`${path}/etc/x`, 'utf8')).toBe('one');
  expect(() => writeFileSync(`${path}/etc/x`, 'changed')).toThrow('EROFS');
  expect(mounted().map(({ options }) => options)).toEqual([expect.stringContaining('ro,nosuid,nodev')]);
  expect(mounts.mount(image.id)).toEqual({ image, path });
  expect(mounted()).toHaveLength(1);
  expect(mounts.pathOf(image.id)).toBe(path);
  mounts.mount('two:1');
  expect(mounts.list().map((entry) => entry.image.repoTags[0])).toEqual(['one:1', 'two:1']);
  expect(mounts.unmount('one:1').path).toBe(path);
  expect(mounts.pathOf(image.id)).toBeUndefined();
  expect(readdirSync(directory)).toHaveLength(1);
});

test('what is not there or not mounted is told', () => {
  const failure = (act: () => unknown): unknown => {
    try {
      return act();
    } catch (error) {
      return error;
    }
  };
  expect(
    isKind(
      failure(() => mounts.mount('nope')),
      'not-found',
    ),
  ).toBe(true);
  const error = failure(() => mounts.unmount('one:1'));
  expect(isKind(error, 'not-found')).toBe(true);
  expect(String(error)).toContain('the image one:1 is not mounted');
});

test('views outlive the daemon; those of no image, and what a crash left, go', () => {
  const one = mounts.mount('one:1');
  mounts.mount('two:1');
  const two = store.images.get('two:1');
  // As if it had been removed while no daemon looked.
  mkdirSync(`${directory}/${'0'.repeat(64)}`);
  const images = {
    get: store.images.get.bind(store.images),
    find: (ref: string) => (ref === two.id ? undefined : store.images.find(ref)),
  };
  const before = mounts;
  mounts = new ImageMounts({ directory, images, snapshotter: store.snapshotter, log: silentLogger });
  mounts.adopt();
  expect(mounts.list()).toEqual([one]);
  expect(readFileSync(`${one.path}/etc/x`, 'utf8')).toBe('one');
  expect(readdirSync(directory)).toEqual([one.image.id.slice(7)]);
  expect(before.pathOf(two.id)).toBeDefined();
});
