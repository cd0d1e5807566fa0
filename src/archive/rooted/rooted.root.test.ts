import { afterEach, expect, test } from 'bun:test';
import { lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onEnd } from '../../base/streams.ts';
import { listMounts } from '../../kernel/mount.ts';
import type { TarMember } from '../tar-writer.ts';
import { encodeTarHeader, tarEnd, tarPadding } from '../tar-writer.ts';
import type { RootedTree } from './rooted.ts';
import { RootedThreads } from './rooted-threads.ts';

const undo: Array<() => void | Promise<void>> = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** A root with `inside/`, and next to it `outside/secret`, which nothing may reach. */
async function lab(): Promise<{ tree: RootedTree; root: string; outside: string }> {
  const place = mkdtempSync(join(tmpdir(), 'rooted-'));
  undo.push(() => rmSync(place, { recursive: true, force: true }));
  const [root, outside, at] = ['root', 'outside', 'at'].map((name) => join(place, name));
  for (const path of [root!, outside!, at!, `${root}/inside`]) mkdirSync(path);
  writeFileSync(`${outside}/secret`, 'secret');
  const threads = new RootedThreads();
  undo.push(() => threads.close());
  const tree = await threads.open({
    kind: 'mounted',
    at: at!,
    mounts: [{ type: '', source: root!, options: ['bind'] }],
    binds: [],
  });
  undo.push(() => tree.close());
  return { tree, root: root!, outside: outside! };
}

function tarOf(...members: Array<TarMember & { content?: string }>): ReadableStream<Uint8Array> {
  const parts: Uint8Array[] = [];
  for (const { content = '', ...member } of members) {
    parts.push(encodeTarHeader({ ...member, size: content.length }), Buffer.from(content));
    parts.push(tarPadding(content.length));
  }
  return new Response(Buffer.concat([...parts, tarEnd()])).body!;
}

const unpack = async (
  tree: RootedTree,
  path: string,
  ...members: Parameters<typeof tarOf>
): Promise<void> => {
  await tree.enter(path);
  await tree.unpack(tarOf(...members), { keepKinds: true, owner: undefined });
};

test('what is mounted for a root is in no table but its own, and gone with it', async () => {
  const { tree, root } = await lab();
  expect((await tree.stat('/inside')).mode & 0o170000).toBe(0o040000);
  const place = root.slice(0, -'/root'.length);
  expect(listMounts().filter(({ target }) => target.startsWith(place))).toEqual([]);
});

test('links are followed inside the root only', async () => {
  const { tree, root, outside } = await lab();
  symlinkSync(outside, `${root}/absolute`);
  symlinkSync('../outside', `${root}/relative`);
  symlinkSync('/inside', `${root}/good`);
  for (const path of ['/absolute/secret', '/relative/secret', '/good/../../outside/secret']) {
    expect(await tree.stat(path).catch((error) => error.code)).toBe('ENOENT');
    expect(await tree.pack(path).catch((error) => error.code)).toBe('ENOENT');
  }
  expect(await tree.enter('/absolute').catch((error) => error.code)).toBe('ENOENT');
  expect(await tree.enter('/good')).toBe('/inside');
  expect(await tree.stat('/good')).toMatchObject({ name: 'good', linkTarget: '/inside' });
});

test('members below a link go where it leads inside the root', async () => {
  const { tree, root, outside } = await lab();
  mkdirSync(`${root}${outside}`, { recursive: true });
  symlinkSync(outside, `${root}/inside/way`);
  await unpack(tree, '/inside', { type: 'file', name: 'way/file', content: 'x' });
  expect(readFileSync(`${root}${outside}/file`, 'utf8')).toBe('x');
  expect(() => lstatSync(`${outside}/file`)).toThrow();
});

test.each([
  [{ type: 'file', name: '../escape', content: 'x' }, '"../escape" is outside of "/inside"'],
  [{ type: 'directory', name: '..' }, '".." is outside of "/inside"'],
  [{ type: 'link', name: 'l', linkName: '../x' }, 'invalid hardlink "/x" -> "../x"'],
  [{ type: 'symlink', name: 'l', linkName: '../x' }, 'invalid symlink "/inside/l" -> "../x"'],
  [{ type: 'link', name: 'l', linkName: '/none' }, 'link /inside/none /inside/l: no such file or directory'],
] as const)('refused: %j', async (member, message) => {
  const { tree } = await lab();
  expect(await unpack(tree, '/inside', member).catch((error) => error.message)).toBe(message);
});

test('a source that fails ends the copy, and the thread serves the next', async () => {
  const { tree, root } = await lab();
  await tree.enter('/inside');
  const half = new ReadableStream<Uint8Array>({
    start(controller) {
      controller.enqueue(encodeTarHeader({ type: 'file', name: 'half', size: 1000 }));
      controller.error(new Error('gone'));
    },
  });
  const options = { keepKinds: true, owner: undefined };
  expect(await tree.unpack(half, options).catch((error) => error.message)).toBe('gone');
  expect(() => lstatSync(`${root}/inside/half`)).toThrow();
  await unpack(tree, '/inside', { type: 'file', name: 'whole', content: 'x' });
  expect(readFileSync(`${root}/inside/whole`, 'utf8')).toBe('x');
});

test('a tar that is given up ends its packing', async () => {
  const { tree, root } = await lab();
  writeFileSync(`${root}/inside/large`, Buffer.alloc(64 * 1024 * 1024, 1));
  const { tar } = await tree.pack('/inside');
  let ended = false;
  const reader = onEnd(tar, () => {
    ended = true;
  }).getReader();
  await reader.read();
  await reader.cancel();
  expect(ended).toBe(true);
  expect((await tree.stat('/inside/large')).size).toBe(64 * 1024 * 1024);
});
