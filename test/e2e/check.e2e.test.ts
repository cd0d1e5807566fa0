/** `tare system check`: every kind of damage is found, named with what it affects, and repaired where it can be. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { CheckFinding } from '../../src/wire/check.ts';
import type { DiskUsageResponse } from '../../src/wire/system.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { FakeRegistry } from '../support/fake-registry.ts';
import { tarBytes } from '../support/tar-bytes.ts';

let daemon: TestDaemon;
let registry: FakeRegistry;
beforeAll(async () => {
  registry = await FakeRegistry.start();
  daemon = await startDaemon();
}, 120_000);
afterAll(async () => {
  await daemon?.stop();
  await registry?.[Symbol.asyncDispose]();
}, 120_000);

async function check(...flags: string[]): Promise<{ code: number; findings: CheckFinding[] }> {
  const { code, stdout, stderr } = await daemon.tare('system', 'check', '--format', 'json', ...flags);
  expect(stderr).toBe('');
  const findings = stdout.split('\n').filter((line) => line !== '');
  return { code, findings: findings.map((line) => JSON.parse(line) as CheckFinding) };
}

async function expectClean(): Promise<void> {
  expect(await check()).toEqual({ code: 0, findings: [] });
}

const blobs = (): string => join(daemon.dataRoot, 'content/blobs/sha256');
const blobFile = (digest: string): string => join(blobs(), digest.replace('sha256:', ''));
const inspect = async (ref: string, format: string): Promise<string> =>
  daemon.ok('tare', ['inspect', '-f', format, ref]);

describe('system check', () => {
  test('of a sound store says so', async () => {
    await daemon.ok('tare', ['create', '--name', 'sound', '-v', 'data:/data', 'busybox', 'true']);
    await expectClean();
    expect(await daemon.ok('tare', ['system', 'check'])).toBe('nothing wrong');
    await daemon.ok('tare', ['rm', 'sound']);
  }, 60_000);

  test('a damaged config is written again from its row', async () => {
    const id = await inspect('busybox', '{{.Id}}');
    writeFileSync(blobFile(id), '{"architecture":"other"}');
    const found = await check();
    expect(found.code).toBe(1);
    expect(found.findings).toMatchObject([
      { Kind: 'blob', ID: id, Affects: ['image busybox:latest'], Repairable: true },
    ]);
    expect((await check('--repair')).code).toBe(0);
    await expectClean();
    rmSync(blobFile(id));
    expect((await check()).findings).toMatchObject([{ Kind: 'image', ID: id }]);
    await check('--repair');
    await expectClean();
    expect(await daemon.ok('tare', ['run', '--rm', 'busybox', 'echo', 'well'])).toBe('well');
  }, 60_000);

  for (const part of ['content', 'index', 'index-file'] as const) {
    test(`a layer whose ${part} is damaged or gone is made again from its compressed form`, async () => {
      const name = await pullImage(`app-${part}`, 'x'.repeat(100_000));
      await expectClean();
      if (!damageLayer(await topLayer(name), part)) {
        // Directories have no index.
        await daemon.ok('tare', ['rmi', name]);
        return;
      }
      const found = await check();
      expect(found.code).toBe(1);
      expect(found.findings).toMatchObject([{ Kind: 'layer', Affects: [`image ${name}`], Repairable: true }]);
      const repaired = await check('--repair');
      expect(repaired.findings[0]?.Repaired).toContain('compressed form');
      expect(repaired.code).toBe(0);
      await expectClean();
      await daemon.ok('tare', ['create', '--name', 'again', name, '/x']);
      const tar = Bun.file(join(daemon.root, 'exported.tar'));
      await daemon.ok('tare', ['export', '-o', tar.name ?? '', 'again']);
      expect(await tar.text()).toContain('x'.repeat(100_000));
      await daemon.ok('tare', ['rm', 'again']);
      await daemon.ok('tare', ['rmi', name]);
      await expectClean();
    }, 60_000);
  }

  test('a layer that is gone is told at start, found, and made again', async () => {
    const name = await pullImage('gone', 'g'.repeat(10_000));
    const hex = (await topLayer(name)).replace('sha256:', '');
    await daemon.terminate();
    const driver = existsSync(join(daemon.dataRoot, 'erofs/layers', hex)) ? 'erofs' : 'overlay';
    rmSync(join(daemon.dataRoot, driver, 'layers', hex), { recursive: true });
    await daemon.start();
    expect(readFileSync(join(daemon.root, 'daemon.log'), 'utf8')).toContain(
      'lacks layers and cannot be run: pull it again',
    );
    const { code, findings } = await check();
    expect(code).toBe(1);
    expect(findings).toMatchObject([
      { Kind: 'layer', ID: `sha256:${hex}`, Problem: 'the layer is missing', Affects: [`image ${name}`] },
    ]);
    expect((await check('--repair')).code).toBe(0);
    await expectClean();
    await daemon.ok('tare', ['rmi', name]);
  }, 60_000);

  test('a damaged layer without another copy: not under a container; then the image goes', async () => {
    const root = join(daemon.root, 'tree');
    mkdirSync(join(root, 'lib'), { recursive: true });
    writeFileSync(join(root, 'lib/file'), 'y'.repeat(100_000));
    const tar = join(daemon.root, 'tree.tar');
    Bun.spawnSync(['tar', '-C', root, '-cf', tar, '.']);
    await daemon.ok('tare', ['import', '-c', 'CMD ["/x"]', tar, 'made:1']);
    await daemon.ok('tare', ['create', '--name', 'stands', 'made:1']);
    damageLayer(await topLayer('made:1'), 'content');
    const found = await check('--repair');
    expect(found.code).toBe(1);
    expect(found.findings).toMatchObject([
      { Kind: 'layer', Affects: ['image made:1', 'container stands'], Repairable: true },
    ]);
    expect(found.findings[0]?.Repaired).toBeUndefined();
    expect(found.findings[0]?.Advice).toContain('save what you need out of stands');
    expect(await inspect('stands', '{{.State.Status}}')).toBe('created');
    const words = await daemon.tare('system', 'check');
    expect(words.code).toBe(1);
    expect(words.stdout).toContain('affects: image made:1, container stands');
    expect(words.stdout).toContain('1 thing is wrong');
    await daemon.ok('tare', ['rm', 'stands']);
    const repaired = await check('--repair');
    expect(repaired.code).toBe(0);
    expect(repaired.findings[0]?.Repaired).toContain('the image was removed');
    expect((await daemon.tare('inspect', 'made:1')).code).toBe(1);
    await expectClean();
  }, 60_000);

  test('a damaged manifest and a damaged compressed layer of a pulled image', async () => {
    const name = await pullImage('documents', 'z'.repeat(50_000));
    for (const digest of pulledBlobs.get(name) ?? []) {
      const size = statSync(blobFile(digest)).size;
      truncateSync(blobFile(digest), size - 1);
      const found = await check();
      expect(found.findings).toMatchObject([{ Kind: 'blob', ID: digest, Affects: [`image ${name}`] }]);
      expect((await check('--repair')).code).toBe(0);
      await expectClean();
    }
    await daemon.ok('tare', ['create', '--name', 'usable', name, '/x']);
    await daemon.ok('tare', ['rm', 'usable']);
    await daemon.ok('tare', ['rmi', name]);
    await expectClean();
  }, 60_000);

  test('what nobody needs: blobs, writable layers, directories', async () => {
    const digest = `sha256:${new Bun.CryptoHasher('sha256').update('nobody').digest('hex')}`;
    writeFileSync(blobFile(digest), 'nobody');
    const orphan = 'f'.repeat(64);
    mkdirSync(join(daemon.dataRoot, 'containers', orphan));
    mkdirSync(join(daemon.dataRoot, 'volumes/stray/_data'), { recursive: true });
    const found = await check('--repair');
    expect(found.code).toBe(1);
    expect(found.findings.map(({ Kind, ID }) => [Kind, ID]).sort()).toEqual(
      [
        ['unused', digest],
        ['container', orphan],
        ['volume', 'stray'],
      ].sort(),
    );
    // A directory among the volumes may hold somebody's data.
    expect(readdirSync(join(daemon.dataRoot, 'volumes'))).toContain('stray');
    rmSync(join(daemon.dataRoot, 'volumes/stray'), { recursive: true });
    await expectClean();
  }, 60_000);

  test('a volume whose directory is gone, and a container whose writable layer is', async () => {
    await daemon.ok('tare', ['create', '--name', 'poor', '-v', 'lost:/data', 'busybox', 'true']);
    const id = await inspect('poor', '{{.Id}}');
    rmSync(join(daemon.dataRoot, 'volumes/lost/_data'), { recursive: true });
    const found = await check('--repair');
    expect(found.code).toBe(1);
    expect(found.findings).toMatchObject([
      { Kind: 'volume', ID: 'lost', Affects: ['volume lost', 'container poor'], Repairable: false },
    ]);
    await daemon.ok('tare', ['rm', 'poor']);
    await daemon.ok('tare', ['volume', 'rm', 'lost']);
    expect(id).toHaveLength(64);
    await expectClean();
  }, 60_000);
});

describe('system df', () => {
  test('tells what layers take on the disk and what compressed forms are kept, in columns of their own', async () => {
    const name = await pullImage('used', incompressible(300_000));
    await daemon.ok('tare', ['tag', name, 'used:too']);
    const table = (await daemon.ok('tare', ['system', 'df'])).split('\n');
    expect(table[0]).toMatch(/^TYPE +TOTAL +ACTIVE +SIZE +RECLAIMABLE +ON DISK +COMPRESSED$/);
    const usage = (await (await daemon.request('GET', '/system/df?tare=1')).json()) as DiskUsageResponse;
    const layers = usage.TareLayers;
    const id = await inspect(name, '{{.Id}}');
    const own = layers?.Images.find((image) => image.Id === id);
    // The tar, its index, the entry's directory and facts.
    expect(own?.Trees).toBeGreaterThan(300_000);
    expect(own?.Trees).toBeLessThan(400_000);
    const blob = pulledBlobs.get(name)?.[1] ?? '';
    expect(own?.Compressed).toBe(statSync(blobFile(blob)).size);
    expect(layers?.Compressed).toBe(own?.Compressed);
    const details = await daemon.ok('tare', ['system', 'df', '-v']);
    expect(details).toMatch(/SHARED SIZE +UNIQUE SIZE +ON DISK +COMPRESSED +CONTAINERS/);
    // Docker's client sees what it knows.
    const plain = (await (await daemon.request('GET', '/system/df')).json()) as DiskUsageResponse;
    expect(plain.TareLayers).toBeUndefined();
    expect(await daemon.ok('docker', ['system', 'df'])).toContain('Images');
    await daemon.ok('tare', ['rmi', name, 'used:too']);
  }, 60_000);

  test('shared and unique sizes are those of layers', async () => {
    const shared = tarBytes([{ name: 'file', content: 's'.repeat(70_000) }]);
    registry.image('shared', 'one', [shared, tarBytes([{ name: 'one', content: 'o'.repeat(1000) }])]);
    registry.image('shared', 'two', [shared, tarBytes([{ name: 'two', content: 't'.repeat(2000) }])]);
    for (const tag of ['one', 'two']) await daemon.ok('tare', ['pull', `${registry.host}/shared:${tag}`]);
    const usage = (await (await daemon.request('GET', '/system/df')).json()) as DiskUsageResponse;
    const sizes = (usage.Images ?? [])
      .filter(({ RepoTags }) => RepoTags?.[0]?.includes('/shared:'))
      .map(({ Size, SharedSize }) => [Size, SharedSize]);
    expect(sizes.sort()).toEqual([
      [71_000, 70_000],
      [72_000, 70_000],
    ]);
    for (const tag of ['one', 'two']) await daemon.ok('tare', ['rmi', `${registry.host}/shared:${tag}`]);
  }, 60_000);
});

describe('system prune', () => {
  test('takes only what its filters let through', async () => {
    await daemon.ok('tare', ['create', '--name', 'kept', 'busybox', 'true']);
    await daemon.ok('tare', ['create', '--name', 'goes', '-l', 'trash=1', 'busybox', 'true']);
    await daemon.ok('tare', ['network', 'create', 'stays-there']);
    await daemon.ok('tare', ['network', 'create', '--label', 'trash=1', 'goes-too']);
    await daemon.ok('tare', ['system', 'prune', '-af', '--filter', 'label=trash=1']);
    const names = await daemon.ok('tare', ['ps', '-a', '--format', '{{.Names}}']);
    expect(names.split('\n')).toContain('kept');
    expect(names).not.toContain('goes');
    const networks = (await daemon.ok('tare', ['network', 'ls', '--format', '{{.Name}}'])).split('\n');
    expect(networks).toContain('stays-there');
    expect(networks).not.toContain('goes-too');
    await daemon.ok('tare', ['inspect', 'busybox']);
    await daemon.ok('tare', ['system', 'prune', '-af', '--filter', 'until=24h']);
    await daemon.ok('tare', ['inspect', 'kept']);
    const refused = await daemon.tare('system', 'prune', '-f', '--filter', 'colour=red');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain('colour');
    await daemon.ok('tare', ['inspect', 'kept']);
    await daemon.ok('tare', ['rm', 'kept']);
    await daemon.ok('tare', ['network', 'rm', 'stays-there']);
  }, 60_000);
});

/** Letters that gzip gains little on. */
function incompressible(length: number): string {
  let state = 1;
  return Array.from({ length }, () => {
    state = (state * 1103515245 + 12345) & 0x7fffffff;
    return String.fromCharCode(33 + ((state >> 12) % 90));
  }).join('');
}

/** Manifest and layer of each image that `pullImage` gave. */
const pulledBlobs = new Map<string, string[]>();

async function pullImage(repository: string, content: string): Promise<string> {
  const { digest, manifest } = registry.image(repository, '1', [tarBytes([{ name: 'file', content }])]);
  const name = `${registry.host}/${repository}:1`;
  await daemon.ok('tare', ['pull', name]);
  pulledBlobs.set(name, [digest, ...manifest.layers.map((layer) => layer.digest)]);
  return name;
}

/** Diff id of an image's last layer. */
async function topLayer(ref: string): Promise<string> {
  const layers = JSON.parse(await inspect(ref, '{{json .RootFS.Layers}}')) as string[];
  return layers.at(-1) ?? '';
}

/** Changes one byte on the disk; false when layers have no such part there. */
function damageLayer(diffId: string, part: 'content' | 'index' | 'index-file'): boolean {
  const hex = diffId.replace('sha256:', '');
  const entry = join(daemon.dataRoot, 'erofs/layers', hex);
  if (existsSync(entry) && part === 'index-file') {
    rmSync(join(entry, 'index'));
    return true;
  }
  if (existsSync(entry)) return flip(join(entry, part === 'content' ? 'tar' : 'index'));
  if (part !== 'content') return false;
  const meta: unknown = JSON.parse(
    readFileSync(join(daemon.dataRoot, 'overlay/layers', hex, 'meta.json'), 'utf8'),
  );
  const tree = join(daemon.dataRoot, 'overlay/l', (meta as { short: string }).short);
  return flip(join(tree, existsSync(join(tree, 'file')) ? 'file' : 'lib/file'));
}

/** Turns a byte around, three quarters in. */
function flip(path: string): boolean {
  const bytes = readFileSync(path);
  const at = Math.floor(bytes.length * 0.75);
  bytes[at] = ~(bytes[at] ?? 0) & 0xff;
  writeFileSync(path, bytes);
  return true;
}
