/** Beyond Docker: volumes as archives, copies of volumes, other names. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
const tare = (...args: string[]) => daemon.ok('tare', args);
const where = (name: string) => join(daemon.dataRoot, 'volumes', name, '_data');
const names = () => tare('volume', 'ls', '-q');
/** What of a tree must be the same in a copy. */
const listing = (name: string) =>
  must([
    'sh',
    '-ec',
    `cd ${where(name)} && find . -exec stat -c '%N %F %a %u:%g %s %Y' {} + | sort && getfattr --only-values -n user.x dir/file`,
  ]);

beforeAll(async () => {
  daemon = await startDaemon();
  await tare('volume', 'create', '--label', 'a=b', 'source');
  await must([
    'sh',
    '-ec',
    `cd ${where('source')} && mkdir -p dir/deep && echo text > dir/file && setfattr -n user.x -v y dir/file && ln -s /etc/passwd link && ln dir/file hard && chown -R 12:34 dir && chmod 4711 dir/file && chmod 1770 . && chown 99:98 . && touch -d @1000000000 dir/deep`,
  ]);
}, 120_000);

afterAll(async () => {
  await daemon?.stop();
}, 120_000);

test('export and import: all of it comes back', async () => {
  const file = join(daemon.root, 'volume.tar');
  await tare('volume', 'export', '-o', file, 'source');
  expect(await tare('volume', 'import', 'fresh', file)).toBe('fresh');
  // A tar has whole seconds for a file's time.
  expect(await listing('fresh')).toBe(await listing('source'));
  // Compressed, by stdin, into one that is there: what is not in the archive stays.
  await must(['gzip', '-k', file]);
  writeFileSync(join(where('fresh'), 'mine'), 'x');
  writeFileSync(join(where('fresh'), 'dir', 'file'), 'changed');
  await daemon.ok('tare', ['volume', 'import', 'fresh', '-'], {
    input: await Bun.file(`${file}.gz`).bytes(),
  });
  expect(readdirSync(where('fresh')).sort()).toEqual(['dir', 'hard', 'link', 'mine']);
  expect(await must(['cat', join(where('fresh'), 'dir', 'file')])).toBe('text');
  await tare('volume', 'rm', 'fresh');
});

test('an import that fails makes no volume, and never leads out of one', async () => {
  const before = await names();
  const broken = await daemon.client('tare', ['volume', 'import', 'broken', '-'], { input: 'no archive' });
  expect(broken.code).toBe(1);
  // A link to the outside, and a file through it.
  const tree = join(daemon.root, 'evil');
  await must([
    'sh',
    '-ec',
    `mkdir ${tree} && cd ${tree} && ln -s ${daemon.root} out && tar -cf a.tar out && rm out && mkdir out && echo x > out/evil-file && tar -rf a.tar out/evil-file`,
  ]);
  await daemon.client('tare', ['volume', 'import', 'evil', join(tree, 'a.tar')]);
  expect(existsSync(join(daemon.root, 'evil-file'))).toBe(false);
  await daemon.tare('volume', 'rm', '-f', 'evil');
  expect(await names()).toBe(before);
  expect(readdirSync(join(daemon.dataRoot, 'volumes', '.new'))).toEqual([]);
  expect((await daemon.tare('volume', 'export', 'none')).stderr).toContain('get none: no such volume');
});

test('clone: the content and the labels; the name must be free', async () => {
  expect(await tare('volume', 'clone', '--label', 'c=d', 'source', 'copy')).toBe('copy');
  expect(await listing('copy')).toBe(await listing('source'));
  expect(JSON.parse(await tare('volume', 'inspect', '-f', '{{json .Labels}}', 'copy'))).toEqual({
    a: 'b',
    c: 'd',
  });
  rmSync(join(where('copy'), 'link'));
  expect(existsSync(where('source'))).toBe(true);
  expect(readdirSync(where('source'))).toContain('link');
  expect((await daemon.tare('volume', 'clone', 'source', 'copy')).stderr).toContain(
    'the volume name copy is in use already',
  );
  await tare('volume', 'rm', 'copy');
});

test('rename: only what nobody has', async () => {
  await tare('volume', 'clone', 'source', 'before');
  const wanted = await listing('before');
  const id = await tare('create', '-v', 'before:/v', 'busybox', 'true');
  expect((await daemon.tare('volume', 'rename', 'before', 'after')).stderr).toContain(
    `rename before: volume is in use - [${id}]`,
  );
  await tare('rm', id);
  expect((await daemon.tare('volume', 'rename', 'before', 'source')).stderr).toContain(
    'the volume name source is in use already',
  );
  await tare('volume', 'rename', 'before', 'after');
  expect(await listing('after')).toBe(wanted);
  expect((await names()).split('\n')).toEqual(['after', 'source']);
  await daemon.kill9();
  await daemon.start();
  expect(await listing('after')).toBe(wanted);
  await tare('volume', 'rm', 'after');
});

test('update is for clusters, in words of its own of both clients', async () => {
  for (const client of ['tare', 'docker'] as const) {
    const outcome = await daemon.client(client, ['volume', 'update', 'source']);
    expect([client, outcome.code, outcome.stderr.trim()]).toEqual([
      client,
      1,
      expect.stringContaining('an only update cluster volumes'),
    ]);
  }
});

test('size= where the file system has no project quotas', async () => {
  const refused = await daemon.docker('volume', 'create', '-o', 'size=10m', 'small');
  if (refused.code === 0) {
    // With quotas (the virtual machine): it holds.
    const full = await daemon.docker(
      'run',
      '--rm',
      '-v',
      'small:/s',
      'busybox',
      'dd',
      'if=/dev/zero',
      'of=/s/f',
      'bs=1M',
      'count=20',
    );
    expect(full.code).not.toBe(0);
    await tare('volume', 'rm', 'small');
    return;
  }
  expect(refused.stderr).toContain('create small: quota size requested but no quota support');
  expect(await names()).toBe('source');
});
