/** Archives of images between Tare and others: dockerd 20.10, Podman, Skopeo. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../src/oci/digest.ts';
import { must } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { Dockerd } from '../support/dockerd.ts';
import { file, tarOf } from '../support/image-lab.ts';

let daemon: TestDaemon;
let dockerd: Dockerd;
let folder: string;
let saved: string;
let ids: { base: string; derived: string };

const path = (name: string) => join(folder, name);
const tare = (...args: string[]) => daemon.ok('tare', args);
const idOf = (name: string) => tare('image', 'inspect', '-f', '{{.Id}}', name);
const skopeo = (...args: string[]) => must(['skopeo', '--insecure-policy', ...args]);
const podman = (...args: string[]) =>
  must([
    'podman',
    ...['--root', path('podman'), '--runroot', path('podman-run'), '--storage-driver', 'vfs'],
    ...['--cgroup-manager', 'cgroupfs', '--events-backend', 'none', ...args],
  ]);

/** Removes all images but the tests' busybox, so that what is loaded next has to bring its layers. */
async function forget(): Promise<void> {
  const all = (await tare('images', '-aq', '--no-trunc')).split('\n');
  const others = all.filter((id) => id !== '' && id !== ids.base);
  if (others.length > 0) await tare('rmi', '-f', ...new Set(others));
}

beforeAll(async () => {
  [daemon, dockerd] = await Promise.all([startDaemon(), Dockerd.start()]);
  folder = mkdtempSync('/var/tmp/tare-archives-');
  mkdirSync(path('podman'));
  await tare(
    'run',
    '--name',
    'one',
    'busybox',
    'sh',
    '-c',
    'echo made > /made; rm /etc/group; ln /made /etc/hard',
  );
  await tare('commit', '-c', 'CMD ["cat","/made"]', 'one', 'two:1');
  await tare('rm', 'one');
  ids = { base: await idOf('busybox'), derived: await idOf('two:1') };
  saved = path('saved.tar');
  await tare('save', '-o', saved, 'busybox', 'two:1');
}, 120_000);
afterAll(async () => {
  await daemon?.stop();
  await dockerd?.stop();
  rmSync(folder, { recursive: true, force: true });
}, 120_000);

describe('dockerd 20.10', () => {
  test('loads and runs what tare saved; ids are the same', async () => {
    expect((await dockerd.ok(['load', '-i', saved])).split('\n').sort()).toEqual([
      'Loaded image: busybox:latest',
      'Loaded image: two:1',
    ]);
    const id = await dockerd.ok(['image', 'inspect', '-f', '{{.Id}}', 'two:1']);
    expect(id).toBe(ids.derived);
    const run = ['run', '--rm', '--network', 'none', '--cgroupns', 'host', 'two:1'];
    expect(await dockerd.ok([...run, 'sh', '-c', 'cat /made /etc/hard; ls /etc/group 2>&1; true'])).toBe(
      'made\nmade\nls: /etc/group: No such file or directory',
    );
  }, 60_000);

  test('what it saves is loaded: the layout of old versions', async () => {
    await dockerd.ok(['save', '-o', path('old.tar'), 'two:1', 'busybox']);
    const members = await must(['tar', 'tf', path('old.tar')]);
    expect(members).toContain('/VERSION');
    await forget();
    expect(await tare('load', '-i', path('old.tar'))).toContain('Loaded image: two:1');
    expect(await idOf('two:1')).toBe(ids.derived);
    expect(await tare('run', '--rm', 'two:1')).toBe('made');
  }, 60_000);

  test('layers that are links to other members of its archive', async () => {
    const layer = tarOf(file('twice', 'x'.repeat(3000)));
    const between = tarOf(file('between', 'y'));
    const diffIds = [layer, between, layer].map((one) => digestOf(one));
    const config = JSON.stringify({
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      config: { Cmd: ['x'] },
      rootfs: { type: 'layers', diff_ids: diffIds },
    });
    const names = ['a/layer.tar', 'b/layer.tar', 'a/layer.tar'];
    const manifest = [{ Config: 'config.json', RepoTags: ['links:1'], Layers: names }];
    const archive = tarOf(
      file('a/layer.tar', layer),
      file('b/layer.tar', between),
      file('config.json', config),
      file('manifest.json', JSON.stringify(manifest)),
    );
    await dockerd.ok(['load'], { input: archive });
    await dockerd.ok(['save', '-o', path('links.tar'), 'links:1']);
    expect(await must(['tar', 'tvf', path('links.tar')])).toMatch(
      /layer\.tar -> \.\.\/[0-9a-f]{64}\/layer\.tar/,
    );
    expect(await tare('load', '-i', path('links.tar'))).toBe('Loaded image: links:1');
    expect(await idOf('links:1')).toBe(digestOf(config));
    expect(await tare('image', 'inspect', '-f', '{{.Size}}', 'links:1')).toBe('6001');
  }, 60_000);
});

describe('Podman', () => {
  test('loads what tare saved, and both its formats are loaded', async () => {
    expect(await podman('load', '-i', saved)).toContain('Loaded image: localhost/two:1');
    await podman('save', '--format', 'docker-archive', '-o', path('pd.tar'), 'two:1');
    await podman('save', '--multi-image-archive', '-o', path('pm.tar'), 'two:1', 'busybox');
    await podman('save', '--format', 'oci-archive', '-o', path('po.tar'), 'two:1');
    for (const [name, images] of [
      ['pd.tar', ['localhost/two:1']],
      ['pm.tar', ['localhost/busybox:latest', 'localhost/two:1']],
      ['po.tar', ['localhost/two:1']],
    ] as const) {
      await forget();
      const lines = (await tare('load', '-i', path(name))).split('\n').sort();
      expect(lines).toEqual(images.map((image) => `Loaded image: ${image}`));
      expect(await tare('run', '--rm', 'localhost/two:1')).toBe('made');
    }
    // The last was an OCI archive with compressed layers: its manifest is kept.
    const digests = await tare('image', 'inspect', '-f', '{{json .RepoDigests}}', 'localhost/two:1');
    expect(digests).toMatch(/^\["localhost\/two@sha256:[0-9a-f]{64}"\]$/);
  }, 120_000);
});

describe('Skopeo', () => {
  test('reads what tare saved, as a docker-archive and as an OCI layout', async () => {
    const inspect = async (...args: string[]) => JSON.parse(await skopeo('inspect', ...args));
    const docker = await inspect(`docker-archive:${saved}:two:1`);
    expect(docker).toMatchObject({ Os: 'linux', Layers: [expect.any(String), expect.any(String)] });
    const oci = await inspect(`oci-archive:${saved}:1`);
    expect(oci.Layers).toEqual(docker.Layers);
    expect(digestOf(await skopeo('inspect', '--raw', '--config', `docker-archive:${saved}:two:1`))).toBe(
      ids.derived,
    );
  }, 60_000);

  test('what it copies is loaded: both archives, and zstd layers', async () => {
    const source = `docker-archive:${saved}:two:1`;
    await skopeo('copy', source, `docker-archive:${path('sd.tar')}:sd:1`);
    await skopeo('copy', source, `oci-archive:${path('so.tar')}:so:1`);
    await skopeo('copy', '--dest-compress-format', 'zstd', source, `oci:${path('layout')}:sz:1`);
    await must(['tar', '-C', path('layout'), '-cf', path('sz.tar'), '.']);
    for (const [name, image] of [
      ['sd.tar', 'sd:1'],
      ['so.tar', 'so:1'],
      ['sz.tar', 'sz:1'],
    ] as const) {
      await forget();
      expect(await tare('load', '-i', path(name))).toBe(`Loaded image: ${image}`);
      expect(await tare('run', '--rm', image)).toBe('made');
    }
  }, 60_000);
});

describe('an image with a manifest from elsewhere', () => {
  test('is saved with it, and every engine loads that', async () => {
    await skopeo('copy', `docker-archive:${saved}:two:1`, `oci-archive:${path('kept.tar')}:kept:1`);
    await forget();
    await tare('load', '-i', path('kept.tar'));
    const digests = () => tare('image', 'inspect', '-f', '{{json .RepoDigests}}', 'kept:1');
    const before = await digests();
    expect(before).toMatch(/^\["kept@sha256:[0-9a-f]{64}"\]$/);
    await tare('save', '-o', path('again.tar'), 'kept:1');
    await tare('rmi', 'kept:1');
    expect(await tare('load', '-i', path('again.tar'))).toBe('Loaded image: kept:1');
    expect(await digests()).toBe(before);
    expect(await tare('run', '--rm', 'kept:1')).toBe('made');
    expect(await dockerd.ok(['load', '-i', path('again.tar')])).toContain('Loaded image: kept:1');
    expect(await dockerd.ok(['inspect', '-f', '{{.Id}}', 'kept:1'])).toBe(await idOf('kept:1'));
    expect(await podman('load', '-i', path('again.tar'))).toMatch(/Loaded image: .*\/kept:1/);
    const raw = await skopeo('inspect', '--raw', `oci-archive:${path('again.tar')}:1`);
    expect(before).toContain(digestOf(raw));
    await skopeo('copy', `docker-archive:${path('again.tar')}:kept:1`, `dir:${path('copied')}`);
  }, 120_000);
});

describe('compressed as a whole', () => {
  for (const [program, ...args] of [
    ['gzip', '-1c'],
    ['zstd', '-qc'],
    ['bzip2', '-1c'],
    ['xz', '-0c'],
  ] as const) {
    test(`${program}, from a file and from stdin`, async () => {
      const packed = path(`saved.${program}`);
      await Bun.write(
        packed,
        await Bun.$`${program} ${args} < ${saved}`.quiet().then(({ stdout }) => stdout),
      );
      await forget();
      expect(await tare('load', '-q', '-i', packed)).toContain('Loaded image: two:1');
      await forget();
      const bytes = await Bun.file(packed).bytes();
      const outcome = await daemon.client('docker', ['load', '-q'], { input: bytes });
      expect(outcome).toMatchObject({ code: 0, stdout: expect.stringContaining('Loaded image: two:1') });
      expect(await idOf('two:1')).toBe(ids.derived);
    }, 60_000);
  }
});
