/** `cp` by Docker's rules: both clients, into and out of a container, for each kind of source and target. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../support/command.ts';
import { type Client, startDaemon, type TestDaemon } from '../support/daemon.ts';

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
