/** The image commands with both clients. With TARE_TEST_ENGINE=dockerd the same is asked of Docker itself. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { CLIENTS, REFERENCE, startDaemon, type TestDaemon } from '../support/daemon.ts';
import { file, tarOf } from '../support/image-lab.ts';

let daemon: TestDaemon;
let busybox: string;
beforeAll(async () => {
  daemon = await startDaemon();
  busybox = await daemon.ok('docker', ['image', 'inspect', '-f', '{{.Id}}', 'busybox']);
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

/** Leaves only busybox. */
beforeEach(async () => {
  for (const id of await daemon.ids()) await daemon.request('DELETE', `/containers/${id}?force=1`);
  for (let round = 0; round < 3; round++) {
    const ids = (await daemon.ok('docker', ['images', '-aq', '--no-trunc'])).split('\n');
    for (const id of ids) if (id !== '' && id !== busybox) await daemon.docker('rmi', '-f', id);
  }
  for (const name of (
    await daemon.ok('docker', ['image', 'inspect', '-f', '{{join .RepoTags " "}}', busybox])
  ).split(' ')) {
    if (name !== 'busybox:latest') await daemon.docker('rmi', name);
  }
});

const short = (id: string) => id.replace('sha256:', '').slice(0, 12);

describe.each(CLIENTS)('%s', (client) => {
  const out = (...args: string[]) => daemon.ok(client, args);
  const fails = async (...args: string[]) => {
    const outcome = await daemon.client(client, args);
    expect(outcome.code).toBe(1);
    return outcome.stderr.trim();
  };
  const idOf = (name: string) => out('image', 'inspect', '-f', '{{.Id}}', name);
  /** Imports a small image; its layer differs by `text`. */
  async function small(name: string, text: string, ...flags: string[]): Promise<string> {
    await daemon.ok(client, ['import', ...flags, '-', name], { input: tarOf(file('etc/text', text)) });
    return idOf(name);
  }
  /** An image that was committed from a container of `base`. */
  async function child(name: string, ...flags: string[]): Promise<string> {
    const container = await out('create', 'busybox');
    const id = await out('commit', ...flags, container, name);
    await out('rm', container);
    return id;
  }

  test('rm: names, ids, force, several at once', async () => {
    const id = await small('a:1', 'rm');
    await out('tag', 'a:1', 'a:2');
    await out('tag', 'a:1', 'b:1');
    expect(await out('rmi', 'a:2')).toBe('Untagged: a:2');
    expect(await fails('rmi', short(id))).toBe(
      `Error response from daemon: conflict: unable to delete ${short(id)} (must be forced) - image is referenced in multiple repositories`,
    );
    const layer = await out('image', 'inspect', '-f', '{{index .RootFS.Layers 0}}', id);
    expect((await out('rmi', '-f', short(id))).split('\n').sort()).toEqual(
      ['Untagged: a:1', 'Untagged: b:1', `Deleted: ${id}`, `Deleted: ${layer}`].sort(),
    );
    await small('a:1', 'rm');
    const outcome = await daemon.client(client, ['rmi', 'nope', 'a:1']);
    expect(outcome.code).toBe(1);
    expect(outcome.stdout).toContain('Untagged: a:1');
    expect(outcome.stderr).toContain('No such image: nope:latest');
    expect((await daemon.client(client, ['rmi', '-f', 'nope'])).code).toBe(0);
  });

  test('rm: children and containers are in the way', async () => {
    const id = await child('kid:1');
    expect(await fails('rmi', '-f', short(busybox))).toBe(
      `Error response from daemon: conflict: unable to delete ${short(busybox)} (cannot be forced) - image has dependent child images`,
    );
    const stopped = await out('create', 'kid:1');
    expect(await fails('rmi', 'kid:1')).toBe(
      `Error response from daemon: conflict: unable to remove repository reference "kid:1" (must force) - container ${short(stopped)} is using its referenced image ${short(id)}`,
    );
    expect(await fails('rmi', short(id))).toBe(
      `Error response from daemon: conflict: unable to delete ${short(id)} (must be forced) - image is being used by stopped container ${short(stopped)}`,
    );
    await out('rmi', '-f', 'kid:1');
    expect((await daemon.client(client, ['image', 'inspect', id])).code).toBe(1);
    await out('rm', stopped);
    const next = await child('kid:2', '-c', 'CMD ["sleep","1000"]');
    const running = await out('run', '-d', 'kid:2');
    expect(await fails('rmi', '-f', short(next))).toBe(
      `Error response from daemon: conflict: unable to delete ${short(next)} (cannot be forced) - image is being used by running container ${short(running)}`,
    );
    expect(await out('rmi', '-f', 'kid:2')).toBe('Untagged: kid:2');
    expect(await out('images', '-f', 'dangling=true', '-q')).toBe(short(next));
    await out('rm', '-f', running);
  });

  test('rm --no-prune keeps a nameless parent, prune takes both', async () => {
    const parent = await small('p:1', 'parent', '-c', 'CMD ["x"]');
    const container = await out('create', 'p:1');
    await out('commit', container, 'p:kid');
    await out('rm', container);
    await out('rmi', '-f', 'p:1');
    expect(await out('images', '-q', '--no-trunc')).not.toContain(parent);
    expect(await out('images', '-aq', '--no-trunc')).toContain(parent);
    await out('rmi', '--no-prune', 'p:kid');
    expect(await out('images', '-f', 'dangling=true', '-q', '--no-trunc')).toBe(parent);
    const told = await out('image', 'prune', '-f');
    expect(told).toContain(`deleted: ${parent}`);
    expect(told).toMatch(/Total reclaimed space: \d+B$/);
  });

  test('prune: all, labels, age; what is used stays', async () => {
    await small('keep:1', 'keep', '-c', 'LABEL keep=yes', '-c', 'CMD ["x"]');
    await small('go:1', 'go', '-c', 'LABEL stage=old');
    await small('used:1', 'used', '-c', 'CMD ["x"]');
    await out('create', 'used:1');
    await out('create', 'busybox');
    expect(await out('image', 'prune', '-f')).toBe('Total reclaimed space: 0B');
    expect(await out('image', 'prune', '-af', '--filter', 'until=24h')).toBe('Total reclaimed space: 0B');
    expect(await out('image', 'prune', '-af', '--filter', 'label=stage=old')).toContain('untagged: go:1');
    expect(await out('image', 'prune', '-af', '--filter', 'label!=keep')).toBe('Total reclaimed space: 0B');
    expect(await out('image', 'prune', '-af')).toContain('untagged: keep:1');
    expect(await out('images', '--format', '{{.Repository}}')).toBe('used\nbusybox');
  });

  test('ls: filters, columns, formats', async () => {
    const first = await small('one/x:1', 'one', '-c', 'LABEL who=me');
    await Bun.sleep(1100);
    const second = await small('host.example:5000/two:1', 'two');
    await out('tag', second, 'two:2');
    const named = (...args: string[]) => out('images', '--format', '{{.Repository}}:{{.Tag}}', ...args);
    expect(await named('-f', 'label=who=me')).toBe('one/x:1');
    expect(await named('-f', 'before=two:2', '-f', 'reference=one/*')).toBe('one/x:1');
    expect((await named('-f', `since=${short(first)}`)).split('\n').sort()).toEqual([
      'host.example:5000/two:1',
      'two:2',
    ]);
    expect(await named('-f', 'reference=*/*:*')).not.toContain('two:2');
    expect(await named('two')).toBe('two:2');
    expect(await named('-f', 'dangling=true')).toBe('');
    expect((await named('-f', 'dangling=false')).split('\n')).toHaveLength(4);
    expect(await fails('images', '-f', 'color=red')).toMatch(/invalid filter ['"]color['"]/i);
    expect(await fails('images', '-f', 'since=nothere')).toContain('No such image: nothere');
    expect(await out('images', '-q', 'two')).toBe(short(second));
    expect(await out('images', '-q', '--no-trunc', 'two')).toBe(second);
    const lines = (await out('images', '--digests', 'two')).split('\n').map((line) => line.split(/ {2,}/));
    expect(lines[0]).toEqual(['REPOSITORY', 'TAG', 'DIGEST', 'IMAGE ID', 'CREATED', 'SIZE']);
    expect(lines[1]?.slice(0, 4)).toEqual(['two', '2', '<none>', short(second)]);
    expect(JSON.parse(await out('images', '--format', 'json', 'two'))).toMatchObject({
      Repository: 'two',
      Size: '3B',
    });
  });

  test('inspect: several, a template, what is missing', async () => {
    const id = await small('i:1', 'inspect', '-m', 'a note', '-c', 'ENV A=b');
    await out('tag', id, 'i:2');
    const outcome = await daemon.client(client, ['image', 'inspect', 'i:1', 'nope', short(id)]);
    expect(outcome.code).toBe(1);
    expect(outcome.stderr).toMatch(/No such image: nope/);
    const found = JSON.parse(outcome.stdout);
    expect(found).toHaveLength(2);
    expect(found[0]).toMatchObject({
      Id: id,
      RepoTags: ['i:1', 'i:2'],
      Comment: 'a note',
      Config: { Env: ['A=b'] },
    });
    expect(found[1]).toEqual(found[0]);
    expect(await out('image', 'inspect', '-f', '{{.Os}} {{len .RootFS.Layers}}', 'i:1', 'i:2')).toBe(
      'linux 1\nlinux 1',
    );
  });

  test('history: sizes, steps of which the image is here, others', async () => {
    const id = await child('h:1', '-m', 'a note', '-a', 'me');
    const lines = (
      await out('history', '--no-trunc', '--format', '{{.ID}}|{{.Size}}|{{.Comment}}', 'h:1')
    ).split('\n');
    expect(lines[0]).toMatch(new RegExp(`^${id}\\|\\d+B\\|a note$`));
    expect(lines[1]).toMatch(new RegExp(`^${busybox}\\|[\\d.]+MB\\|Imported from -$`));
    const loaded = join(daemon.root, `${client}-history.tar`);
    await out('save', '-o', loaded, 'h:1');
    await out('rmi', 'h:1');
    await out('load', '-q', '-i', loaded);
    expect(await out('history', '-q', 'h:1')).toBe(`${short(id)}\n<missing>`);
    expect(
      (await out('history', '-H=false', '--format', '{{.CreatedSince}} {{.Size}}', 'h:1')).split('\n')[1],
    ).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* \d{7}$/);
  });

  test('import: a file, stdin, an address; plain and compressed; message, changes, platform', async () => {
    const tar = tarOf(file('etc/text', 'import'));
    using server = Bun.serve({
      port: 0,
      hostname: '127.0.0.1',
      fetch: (request) =>
        request.url.endsWith('/x.tar.gz') ? new Response(gzipSync(tar)) : new Response('no', { status: 404 }),
    });
    const path = join(daemon.root, `${client}.tar.zst`);
    await Bun.write(path, zstdCompressSync(tar));
    const ids = [
      await daemon.ok(client, ['import', '-m', 'hello', '--platform', 'linux/arm64', '-'], { input: tar }),
    ];
    if (!REFERENCE) ids.push(await out('import', '-c', 'CMD ["x"]', '-c', 'LABEL a=b', path, 'imp:file'));
    if (!REFERENCE) {
      const address = `${server.url}x.tar.gz`;
      const told = await out('import', address, 'imp:url');
      expect(told).toContain(`Downloading from ${address}`);
      ids.push(told.split('\n').at(-1) ?? '');
      expect(await out('image', 'inspect', '-f', '{{.Comment}}', 'imp:url')).toBe(`Imported from ${address}`);
      expect(await fails('import', `${server.url}missing`)).toContain('with status 404');
      expect(
        await out('image', 'inspect', '-f', '{{json .Config.Cmd}}{{json .Config.Labels}}', 'imp:file'),
      ).toBe('["x"]{"a":"b"}');
    }
    const layers = await out('image', 'inspect', '-f', '{{index .RootFS.Layers 0}}', ...ids);
    expect(new Set(layers.split('\n')).size).toBe(1);
    expect(await out('image', 'inspect', '-f', '{{.Comment}} {{.Architecture}}', ids[0] ?? '')).toBe(
      // Version 20.10 takes the platform only as an experiment.
      REFERENCE ? 'hello amd64' : 'hello arm64',
    );
    expect(await fails('import', '/nothing/here')).toContain('no such file or directory');
  });

  test('save and load: several in one, stdout and stdin, never to a terminal', async () => {
    const one = await small('s:1', 'one');
    await small('s:2', 'two');
    await out('tag', 's:1', 'other:1');
    const path = join(daemon.root, `${client}-several.tar`);
    await out('save', '-o', path, 's', 'other:1', 'busybox');
    await out('rmi', 's:1', 's:2', 'other:1');
    expect((await out('load', '-i', path)).split('\n').sort()).toEqual(
      ['busybox:latest', 'other:1', 's:1', 's:2'].map((name) => `Loaded image: ${name}`),
    );
    expect(await idOf('other:1')).toBe(one);
    // By its id it has no name in the archive.
    await out('save', '-o', path, one);
    await out('rmi', '-f', one);
    expect(await out('load', '-q', '-i', path)).toBe(`Loaded image ID: ${one}`);
    expect(await out('images', '-q', '--no-trunc', '-f', 'dangling=true')).toBe(one);
    const terminal = daemon.terminal(client, ['save', 'busybox']);
    expect(await terminal.exited()).toBe(1);
    expect(terminal.output()).toContain('cowardly refusing to save to a terminal');
    expect(await fails('save', '-o', path, 'nothere:1')).toMatch(
      /No such image: nothere:1|reference does not exist/,
    );
    expect(await fails('load', '-i', '/nothing/here')).toContain('no such file or directory');
  });

  if (!REFERENCE) {
    test('platforms: another one than the image’s is refused everywhere', async () => {
      await small('arch:1', 'arch', '--platform', 'linux/arm64');
      const wrong = ['--platform', 'linux/s390x'];
      const path = join(daemon.root, `${client}-arch.tar`);
      for (const command of [
        ['image', 'inspect', ...wrong, 'arch:1'],
        ['image', 'history', ...wrong, 'arch:1'],
        ['save', ...wrong, '-o', path, 'arch:1'],
        ['image', 'rm', ...wrong, 'arch:1'],
      ]) {
        expect(await fails(...command)).toContain(
          'image with reference arch:1 was found but its platform (linux/arm64) does not match the specified platform (linux/s390x)',
        );
      }
      expect(existsSync(path)).toBe(false);
      await out('save', '--platform', 'linux/arm64', '-o', path, 'arch:1');
      await out('rmi', 'arch:1');
      expect(await fails('load', ...wrong, '-i', path)).toContain('no image for the platform linux/s390x');
      expect(await out('load', '--platform', 'linux/arm64', '-i', path)).toBe('Loaded image: arch:1');
    });

    test('a tree of platforms', async () => {
      await small('tree:1', 'tree');
      await out('create', 'busybox');
      const tree = Bun.stripANSI(await out('image', 'ls', '--tree'));
      expect(tree).toMatch(/^IMAGE +ID +DISK USAGE +CONTENT SIZE +EXTRA$/m);
      expect(tree).toMatch(/^tree:1 +[0-9a-f]{12} +4B +\S+B *$/m);
      // Of the two images, busybox is in use.
      expect(tree.match(/^└─ linux\/\w+ +[0-9a-f]{12} .* U *$/gm)).toHaveLength(1);
      expect(await fails('image', 'ls', '--tree', '-q')).toContain(
        '--quiet is not yet supported with --tree',
      );
    });
  }
});

test('image mount: a view outlives the daemon and keeps the image', async () => {
  if (REFERENCE) return;
  const tare = (...args: string[]) => daemon.ok('tare', args);
  await daemon.ok('tare', ['import', '-', 'view:1'], { input: tarOf(file('etc/text', 'inside')) });
  const path = await tare('image', 'mount', 'view:1');
  expect(readFileSync(`${path}/etc/text`, 'utf8')).toBe('inside');
  expect(await tare('image', 'mount', '-q')).toBe(path);
  const refused = await daemon.tare('rmi', '-f', 'view:1');
  expect(refused.stderr).toContain(`image is mounted at ${path}: unmount it first`);
  await daemon.kill9();
  await daemon.start();
  expect(readFileSync(`${path}/etc/text`, 'utf8')).toBe('inside');
  expect(await tare('image', 'mount', '--format', '{{.Image}} {{.Path}}')).toBe(`view:1 ${path}`);
  expect(await tare('image', 'unmount', 'view:1')).toBe('view:1');
  expect(existsSync(path)).toBe(false);
  await tare('rmi', 'view:1');
}, 60_000);
