/** `cp` by Docker's rules: both clients, into and out of a container, for each kind of source and target. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../support/command.ts';
import { CLIENTS, type Client, startDaemon, type TestDaemon } from '../support/daemon.ts';
import { tarBytes } from '../support/tar-bytes.ts';

let daemon: TestDaemon;
let place: string;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
  place = mkdtempSync('/tmp/tare-cp-');
  await daemon.ok('tare', ['run', '-d', '--name', 'box', 'busybox', 'sleep', '100000']);
}, 120_000);
afterAll(async () => {
  rmSync(place, { recursive: true, force: true });
  await daemon?.stop();
}, 120_000);

/** Makes the same things in a folder for each case, wherever a shell runs. */
const make = (names: string): string => `set -e; for name in ${names}; do (
mkdir -p $name/dir/sub $name/there $name/links && cd $name
echo file >file && chmod 4750 file && echo other >other
echo one >dir/one && ln dir/one dir/two && ln -s one dir/link && chmod 700 dir/sub && echo deeper >dir/sub/deep
ln -s ../file links/file && ln -s ../dir links/dir && ln -s ../there links/there && ln -s ../fresh links/fresh
ln -s nowhere links/broken && mkfifo pipe
); done`;
/** Lists what is there: type, permissions, links and size of files, path, target of links. */
const LIST = [
  ...['find', '.', '-mindepth', '1', '-type', 'f', '-printf', 'f %m %n %s %p\\n'],
  ...['-o', '-mindepth', '1', '-printf', '%y %m %p %l\\n'],
];

interface Case {
  readonly source: string;
  readonly target: string;
  readonly flags: readonly string[];
}

const SOURCES = ['file', 'dir', 'dir/', 'dir/.', 'links/file', 'links/dir', 'links/dir/'];
const TARGETS = [
  ...['new', 'new/', 'none/new', 'other', 'other/', 'there', 'there/', 'there/.'],
  ...['links/there', 'links/fresh'],
];
/** For what is seldom copied, or not at all. */
const FEW = ['new', 'other', 'there/'];
const CASES: readonly Case[] = [
  ...SOURCES.flatMap((source) => TARGETS.map((target) => ({ source, target, flags: [] }))),
  ...['file/', 'pipe', 'nothing', 'nothing/', 'links/broken'].flatMap((source) =>
    FEW.map((target) => ({ source, target, flags: [] })),
  ),
  ...['links/file', 'links/dir', 'links/dir/.', 'links/broken'].flatMap((source) =>
    ['new', 'there', 'links/there'].map((target) => ({ source, target, flags: ['-L'] })),
  ),
  ...['file', 'dir'].map((source) => ({ source, target: 'there', flags: ['-a'] })),
  ...['file', 'dir'].map((source) => ({ source, target: 'there', flags: ['-aL'] })),
];

/** Runs each case in a folder of its own; gives, by case, how it ended, what was said and what is there then. */
async function copyAll(client: Client, direction: 'in' | 'out'): Promise<Record<string, unknown>> {
  const base = `${client}-${direction}`;
  const names = CASES.map((_, index) => `w${index}`).join(' ');
  const local = join(place, base);
  mkdirSync(local);
  const pid = await daemon.ok('tare', ['inspect', '-f', '{{.State.Pid}}', 'box']);
  await must(['sh', '-c', make(names)], { cwd: local });
  await must(['cp', '-a', local, `/proc/${pid}/root/`]);
  const ends = new Map<number, { code: number; said: string }>();
  const todo = CASES.entries();
  const worker = async (): Promise<void> => {
    for (const [index, { source, target, flags }] of todo) {
      const ours = `${local}/w${index}/`;
      const theirs = `box:/${base}/w${index}/`;
      const paths = direction === 'in' ? [ours + source, theirs + target] : [theirs + source, ours + target];
      const { code, stdout, stderr } = await daemon.client(client, [
        'cp',
        '--quiet=false',
        ...flags,
        ...paths,
      ]);
      // docker congratulates itself on failures, too, and logs what it gives up.
      const noise = code === 0 ? /^time=/ : /^(time=|Successfully)/;
      const lines = (stdout + stderr).split('\n').filter((line) => line !== '' && !noise.test(line));
      const said = lines.join('\n').replaceAll(place, 'P').replaceAll(base, 'B');
      ends.set(index, { code, said });
    }
  };
  await Promise.all([worker(), worker(), worker()]);
  const listing = await must(LIST, { cwd: direction === 'in' ? `/proc/${pid}/root/${base}` : local });
  const trees = CASES.map((): string[] => []);
  for (const line of listing.split('\n').sort()) {
    const index = Number(/ \.\/w(\d+)/.exec(line)?.[1]);
    trees[index]?.push(line);
  }
  return Object.fromEntries(
    CASES.map(({ source, target, flags }, index) => [
      ['cp', ...flags, source, target].join(' '),
      { ...ends.get(index), tree: trees[index] },
    ]),
  );
}

test.each(['in', 'out'] as const)(
  'both clients do the same in each case: %s',
  async (direction) => {
    const docker = await copyAll('docker', direction);
    expect(await copyAll('tare', direction)).toEqual(docker);
    expect(docker['cp dir new']).toMatchObject({
      code: 0,
      said: expect.stringContaining('Successfully copied'),
    });
  },
  300_000,
);

describe.each(CLIENTS)('%s cp with -', (client) => {
  test('to stdout: a tar with owners, modes, links and times of a container that has ended; nothing else is said', async () => {
    const script =
      'mkdir -p /d/sub; echo text >/d/file; chown 12:34 /d/file; chmod 640 /d/file; ln -s file /d/link; ln /d/file /d/hard; touch -d "2001-02-03 04:05:06" /d/sub';
    const id = await daemon.ok(client, ['run', '-d', 'busybox', 'sh', '-c', script]);
    await daemon.ok(client, ['wait', id]);
    const local = join(place, `stdout-${client}`);
    mkdirSync(local);
    const command = [
      ...daemon.argvOf(client, ['cp', `${id}:/d`, '-']).map((word) => `'${word}'`),
      '| tar -xC',
      local,
    ];
    await must(['sh', '-c', command.join(' ')], { env: daemon.env() });
    expect(readFileSync(join(local, 'd/file'), 'utf8')).toBe('text\n');
    const file = statSync(join(local, 'd/file'));
    expect([file.uid, file.gid, file.mode & 0o7777, file.nlink]).toEqual([12, 34, 0o640, 2]);
    expect(readlinkSync(join(local, 'd/link'))).toBe('file');
    expect(statSync(join(local, 'd/sub')).mtime.toISOString()).toBe('2001-02-03T04:05:06.000Z');
    const missing = await daemon.client(client, ['cp', `${id}:/nope`, '-']);
    expect([missing.code, missing.stdout]).toEqual([1, '']);
    expect(missing.stderr).toContain(`Could not find the file /nope in container ${id}`);
    await daemon.ok(client, ['rm', id]);
  }, 60_000);

  test('from stdin: into a directory only, also compressed; what is no tar is refused, and a cut one', async () => {
    const id = await daemon.ok(client, ['create', 'busybox', 'sh', '-c', 'cat /tmp/in/a /tmp/b']);
    const tar = tarBytes([
      { name: 'in/', type: '5' },
      { name: 'in/a', content: 'first ' },
      { name: 'b', content: 'second' },
    ]);
    const input = (bytes: Uint8Array, target: string) =>
      daemon.client(client, ['cp', '-', target], { input: bytes });
    expect((await input(tar, `${id}:/tmp`)).code).toBe(0);
    expect(await daemon.ok(client, ['start', '-a', id])).toBe('first second');
    const changed = tarBytes([{ name: 'b', content: 'third' }]);
    expect((await input(Bun.gzipSync(new Uint8Array(changed)), `${id}:/tmp/`)).code).toBe(0);
    expect(await daemon.ok(client, ['start', '-a', id])).toBe('first third');
    for (const target of [`${id}:/no/such`, `${id}:/tmp/b`]) {
      const refused = await input(tar, target);
      expect([refused.code, refused.stderr.trim()]).toEqual([
        1,
        `destination "${target}" must be a directory`,
      ]);
    }
    for (const bytes of [Buffer.from('this is no archive'.repeat(100)), tar.subarray(0, 700)]) {
      expect((await input(bytes, `${id}:/tmp`)).code).toBe(1);
    }
    const both = await daemon.client(client, ['cp', '-', '-']);
    expect(both.code).toBe(1);
    await daemon.ok(client, ['rm', id]);
  }, 60_000);
});
