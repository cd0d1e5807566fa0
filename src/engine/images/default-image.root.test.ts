import { afterAll, beforeAll, expect, test } from 'bun:test';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { describeTree } from '../../../test/support/snapshots/tree-listing.ts';
import { mount, unmount } from '../../kernel/mount.ts';
import { overlaySnapshotter } from '../../snapshots/open.ts';
import { defaultImageTar } from './default-image.ts';

let base = '';
beforeAll(() => {
  base = mkdtempSync('/tmp/tare-busybox-');
});
afterAll(() => {
  unmount(`${base}/view`);
  rmSync(base, { recursive: true, force: true });
});

test('the default image is complete, and its tree is what GNU tar extracts', async () => {
  const tar = new Uint8Array(await new Response(await defaultImageTar()).arrayBuffer());
  writeFileSync(`${base}/image.tar`, tar);
  mkdirSync(`${base}/gnu`);
  execFileSync('tar', ['--numeric-owner', '-xpf', `${base}/image.tar`, '-C', `${base}/gnu`]);
  const snapshotter = overlaySnapshotter(`${base}/store`);
  const layer = await snapshotter.applyLayer(undefined, new Response(tar).body!);
  mkdirSync(`${base}/view`);
  for (const spec of snapshotter.viewMounts([layer.diffId])) {
    mount(spec.type, spec.source, `${base}/view`, spec.options);
  }
  const view = `${base}/view`;
  // Without times of directories: GNU tar sets them before it comes back to one for a later member.
  const tree = describeTree(view, true);
  expect(tree).toEqual(describeTree(`${base}/gnu`, true));
  expect(tree.length).toBeGreaterThan(100);
  for (const line of ['root:x:0:0:', 'nobody:x:65534:65534:', 'www-data:x:33:33:']) {
    expect(readFileSync(`${view}/etc/passwd`, 'utf8')).toContain(line);
  }
  expect(readFileSync(`${view}/etc/group`, 'utf8')).toContain('users:x:100:');
  expect(statSync(`${view}/tmp`).mode & 0o7777).toBe(0o1777);
  expect(statSync(`${view}/root`).mode & 0o7777).toBe(0o700);
  for (const path of ['var', 'home', 'bin/sh', 'bin/busybox']) statSync(`${view}/${path}`);
  unmount(view);
  await snapshotter.close();
});
