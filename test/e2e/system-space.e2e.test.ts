/** What takes the disk, and giving it back: `system df`, `system prune`, with the logs counted. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { must, until } from '../support/command.ts';
import { CLIENTS, startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const out = (...args: string[]) => daemon.ok('tare', args);
/** A megabyte of written file, and 3 MB of lines of 100 bytes, with time to rotate between. */
const LINES = `yes ${'x'.repeat(99)} | head -n 10000; sleep 0.5`;
const WRITE = `head -c 1000000 /dev/zero > /f; ${LINES}; ${LINES}; ${LINES}`;

interface Usage {
  Containers?: Array<{ SizeRw: number; TareLogSize?: number }>;
  Images?: unknown[];
  Volumes?: unknown[];
  BuildCache?: unknown[];
}
const usage = async (query = ''): Promise<Usage> =>
  (await (await daemon.request('GET', `/system/df${query}`)).json()) as Usage;

test('df counts the log of a container, all files of it; a prune gives it back', async () => {
  await out(
    'run',
    '--name',
    'big',
    '--log-opt',
    'max-size=1m',
    '--log-opt',
    'max-file=3',
    'busybox',
    'sh',
    '-c',
    WRITE,
  );
  const [entry] = (await usage('?tare=1')).Containers ?? [];
  const log = entry?.TareLogSize ?? 0;
  expect(log).toBeGreaterThan(900_000);
  expect((entry?.SizeRw ?? 0) - log).toBeGreaterThanOrEqual(1_000_000);
  const folder = dirname(await out('inspect', '-f', '{{.LogPath}}', 'big'));
  expect(readdirSync(folder).filter((name) => name.startsWith('container.log')).length).toBeGreaterThan(1);
  // On the disk as `du` counts it, within a block a file.
  const [du] = (await must(['du', '-sb', folder])).split('\t');
  expect(Math.abs(Number(du) - log)).toBeLessThan(20_000);
  const before = await daemon.ok('docker', [
    'system',
    'df',
    '--format',
    '{{.Type}} {{.TotalCount}} {{.Active}} {{.Reclaimable}}',
  ]);
  expect(before).toMatch(/^Containers 1 0 [2-9](\.\d+)?MB \(100%\)$/m);
  expect(await out('system', 'df', '-v')).toMatch(
    /CONTAINER ID +IMAGE +COMMAND +LOCAL VOLUMES +SIZE +LOG +CREATED/,
  );
  expect(await daemon.ok('docker', ['system', 'df', '-v'])).toContain('Build cache usage: 0B');
  const pruned = await daemon.ok('docker', ['container', 'prune', '-f']);
  expect(pruned).toMatch(/Total reclaimed space: [2-9](\.\d+)?MB$/);
  expect((await usage()).Containers).toEqual([]);
});

test('df of one type, and of what is none', async () => {
  expect(Object.keys(await usage('?type=container'))).toEqual(['Containers']);
  expect(Object.keys(await usage('?type=volume&type=build-cache')).sort()).toEqual(['BuildCache', 'Volumes']);
  const wrong = await daemon.request('GET', '/system/df?type=what');
  expect(wrong.status).toBe(400);
  expect(await wrong.json()).toEqual({ message: 'unknown object type: what' });
});

test.each(CLIENTS)('%s system prune asks, in the words of docker', async (client) => {
  const ask = async (...args: string[]): Promise<string> =>
    (await daemon.client(client, ['system', 'prune', ...args], { input: 'n\n' })).stdout;
  expect(await ask()).toBe(
    `WARNING! This will remove:
  - all stopped containers
  - all networks not used by at least one container
  - all dangling images
  - unused build cache

Are you sure you want to continue? [y/N] `,
  );
  expect(await ask('-a', '--volumes')).toContain(
    `  - all anonymous volumes not used by at least one container
  - all images without at least one container associated to them
  - all build cache
`,
  );
  expect(await ask('--filter', 'until=1h', '--filter', 'label=x')).toContain(
    `
  Items to be pruned will be filtered with:
  - label=x
  - until=1h
`,
  );
  const both = await daemon.client(client, ['system', 'prune', '--volumes', '--filter', 'until=1h']);
  expect(both.stderr.trim()).toBe('ERROR: The "until" filter is not supported with "--volumes"');
  const wrong = await daemon.client(client, ['system', 'prune', '-f', '--filter', 'foo=1']);
  expect(wrong.stderr).toContain("nvalid filter 'foo'");
});

test.each(CLIENTS)(
  '%s system prune removes what its filters leave, and with -a and --volumes the rest',
  async (client) => {
    const kept = await out('run', '-d', '--label', 'keep', 'busybox', 'sleep', '1000');
    const ended = await out(
      'run',
      '-d',
      '--label',
      'old',
      '-v',
      'named:/n',
      '-v',
      '/anonymous',
      'busybox',
      'true',
    );
    await until(
      'it has ended',
      async () => (await out('inspect', '-f', '{{.State.Status}}', ended)) === 'exited',
    );
    await out('network', 'create', '--label', 'old', 'unused');
    await out('tag', 'busybox', 'other:1');
    const none = await daemon.ok(client, ['system', 'prune', '-f', '--filter', 'label=nothing']);
    expect(none).toBe('Total reclaimed space: 0B');
    const filtered = await daemon.ok(client, ['system', 'prune', '-f', '--filter', 'label!=keep']);
    expect(filtered).toStartWith(`Deleted Containers:\n${ended}\n\nDeleted Networks:\nunused\n\n`);
    expect((await usage()).Volumes).toHaveLength(2);
    const rest = await daemon.ok(client, ['system', 'prune', '-f', '-a', '--volumes']);
    expect(rest).toMatch(/^Deleted Volumes:\n[0-9a-f]{64}\n\n/);
    expect(rest).toContain('Total reclaimed space: ');
    // The named volume and the running container's image stay.
    expect(await out('volume', 'ls', '-q')).toBe('named');
    expect(await out('image', 'ls', '-q')).not.toBe('');
    expect(await daemon.ids()).toEqual([kept]);
    await out('rm', '-f', kept);
    await out('volume', 'rm', 'named');
    await out('tag', 'busybox', 'busybox:again').catch(() => daemon.loadBusybox());
  },
);
