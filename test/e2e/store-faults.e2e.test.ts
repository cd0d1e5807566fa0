/** Full disks, lying registries, operations side by side: a clear error, nothing half-visible, the next try succeeds. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'bun:test';
import { existsSync, readdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { FakeRegistry, onPath } from '../support/fake-registry.ts';
import { makeSmallDisk, type SmallDisk } from '../support/small-disk.ts';
import { tarBytes } from '../support/tar-bytes.ts';

let registry: FakeRegistry;
beforeAll(async () => {
  registry = await FakeRegistry.start();
});
afterAll(async () => {
  await registry?.[Symbol.asyncDispose]();
});

const MB = 1_000_000;
/** Bytes that no compression makes smaller. */
const noise = (length: number): Uint8Array => {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
};
const noiseLayer = (name: string, length: number): Uint8Array => tarBytes([{ name, content: noise(length) }]);

async function expectSound(daemon: TestDaemon): Promise<void> {
  const { code, stdout } = await daemon.tare('system', 'check');
  expect(`${code} ${stdout}`).toBe('0 nothing wrong\n');
}

describe('on a small disk', () => {
  let disk: SmallDisk;
  let place: string;
  let daemon: TestDaemon;
  beforeAll(async () => {
    disk = await makeSmallDisk('80M');
    place = disk.place;
    daemon = await startDaemon({ dataRoot: place });
  }, 120_000);
  afterAll(async () => {
    await daemon?.stop();
    await disk?.remove();
  }, 120_000);

  /** Leaves so many bytes free. */
  function fill(free: number): void {
    const { bavail, bsize } = statfsSync(place);
    Bun.spawnSync(['fallocate', '-l', String(Math.floor(bavail * bsize - free)), join(place, 'fill')]);
  }
  afterEach(() => room());
  const room = (): void => rmSync(join(place, 'fill'), { force: true });

  // Each operation needs at least 8 MB at one time or another.
  const steps = [0.1, 1, 3, 5, 7].map((megabytes) => megabytes * MB);

  async function failsThenWorks(bring: string[], name: string): Promise<void> {
    for (const free of steps) {
      room();
      fill(free);
      const full = await daemon.tare(...bring);
      expect(full.code).not.toBe(0);
      expect(full.stderr + full.stdout).toMatch(/no space left on device|free some space/i);
      expect((await daemon.tare('inspect', name)).code).toBe(1);
      await expectSound(daemon);
    }
    room();
    await daemon.ok('tare', bring);
    await expectSound(daemon);
    await daemon.ok('tare', ['rmi', name]);
    await expectSound(daemon);
  }

  test('pull', async () => {
    registry.image('full', '1', [noiseLayer('a', 4 * MB), noiseLayer('b', 4 * MB)]);
    const name = `${registry.host}/full:1`;
    await failsThenWorks(['pull', name], name);
  }, 120_000);

  test('load', async () => {
    const tar = join(disk.beside, 'layer.tar');
    writeFileSync(tar, noiseLayer('c', 8 * MB));
    await daemon.ok('tare', ['import', tar, 'loaded:1']);
    const archive = join(disk.beside, 'archive.tar');
    await daemon.ok('tare', ['save', '-o', archive, 'loaded:1']);
    await daemon.ok('tare', ['rmi', 'loaded:1']);
    await failsThenWorks(['load', '-i', archive], 'loaded:1');
    rmSync(archive);
    await failsThenWorks(['import', tar, 'imported:1'], 'imported:1');
    rmSync(tar);
  }, 120_000);

  test('commit', async () => {
    const write = 'head -c 8000000 /dev/urandom > /written';
    await daemon.ok('tare', ['run', '--name', 'written', 'busybox', 'sh', '-c', write]);
    await failsThenWorks(['commit', 'written', 'committed:1'], 'committed:1');
    await daemon.ok('tare', ['rm', 'written']);
  }, 120_000);
});

describe('from a registry that lies', () => {
  let daemon: TestDaemon;
  beforeAll(async () => {
    daemon = await startDaemon();
  }, 120_000);
  afterAll(() => daemon?.stop(), 120_000);

  const lies: Record<string, (blob: Uint8Array) => Uint8Array> = {
    'another byte': (blob) => blob.with(blob.length >> 1, 255 - (blob[blob.length >> 1] ?? 0)),
    'a byte too few': (blob) => blob.subarray(0, -1),
    'a byte too many': (blob) => Buffer.concat([blob, Uint8Array.of(0)]),
    nothing: () => new Uint8Array(0),
  };
  for (const [what, lie] of Object.entries(lies)) {
    test(`${what}: refused, nothing of it is seen, and the next pull succeeds`, async () => {
      const repository = `liar${Bun.hash(what).toString(36).slice(0, 6)}`;
      const { manifest } = registry.image(repository, '1', [
        noiseLayer('x', 200_000),
        noiseLayer('y', 100_000),
      ]);
      const name = `${registry.host}/${repository}:1`;
      const victim = manifest.layers[1]?.digest ?? '';
      const blob = registry.blobs.get(victim) ?? new Uint8Array();
      registry.blobs.set(victim, lie(blob));
      const pulled = await daemon.tare('pull', name);
      expect(pulled.code).not.toBe(0);
      expect((await daemon.tare('inspect', name)).code).toBe(1);
      await expectSound(daemon);
      registry.blobs.set(victim, blob);
      await daemon.ok('tare', ['pull', name]);
      await expectSound(daemon);
    }, 60_000);
  }

  test('a layer of another diff id than the config says', async () => {
    const honest = registry.image('diff', 'honest', [noiseLayer('x', 1000)]);
    const other = registry.blob(new Uint8Array(gzipSync(noiseLayer('z', 1000))));
    const manifest = { ...honest.manifest, layers: [{ ...honest.manifest.layers[0], ...other }] };
    registry.document('diff', manifest, honest.mediaType, 'other');
    const pulled = await daemon.tare('pull', `${registry.host}/diff:other`);
    expect(pulled.code).not.toBe(0);
    expect(pulled.stderr + pulled.stdout).toMatch(/digest/);
    await expectSound(daemon);
    await daemon.ok('tare', ['pull', `${registry.host}/diff:honest`]);
  }, 60_000);

  test('a bomb: 2.5 GB of zeros out of 2.5 MB, and a layer above max-layer-size', async () => {
    const small = await startDaemon({ bare: true, args: ['--max-layer-size', '1m'] });
    try {
      const member = gzipSync(Buffer.alloc(64 * MB), { level: 9 });
      const bomb = Buffer.concat(Array.from({ length: 40 }, () => member));
      const honest = registry.image('bomb', 'honest', [noiseLayer('x', 2 * MB)]);
      const layers = [{ ...honest.manifest.layers[0], ...registry.blob(bomb) }];
      registry.document('bomb', { ...honest.manifest, layers }, honest.mediaType, 'bomb');
      const refused = await daemon.tare('pull', `${registry.host}/bomb:bomb`);
      expect(refused.code).not.toBe(0);
      expect(refused.stderr + refused.stdout).toContain('200 times its compressed size');
      await expectSound(daemon);
      const above = await small.tare('pull', `${registry.host}/bomb:honest`);
      expect(above.stderr + above.stdout).toContain('set max-layer-size');
      await expectSound(small);
      await daemon.ok('tare', ['pull', `${registry.host}/bomb:honest`]);
    } finally {
      await small.stop();
    }
  }, 120_000);
});

test('two pulls and prunes at once: nobody disturbs another, and a prune frees while a pull goes on', async () => {
  await using daemon = await startDaemon();
  const shared = noiseLayer('shared', 2 * MB);
  registry.image('busy', 'one', [shared, noiseLayer('one', MB)]);
  const two = registry.image('busy', 'two', [shared, noiseLayer('two', MB)]);
  registry.image('busy', 'old', [noiseLayer('old', MB)]);
  await daemon.ok('tare', ['pull', `${registry.host}/busy:old`]);
  // The last layer of the one is held back until the prune has been.
  const held = Promise.withResolvers<void>();
  const last = two.manifest.layers[1]?.digest ?? '';
  registry.faults.push(
    onPath(last, 1, (response) => {
      void held.promise.then(() => response.end(Buffer.from(registry.blobs.get(last) ?? [])));
    }),
  );
  const slow = daemon.tare('pull', `${registry.host}/busy:two`);
  const quick = daemon.tare('pull', `${registry.host}/busy:one`);
  expect((await quick).code).toBe(0);
  await daemon.ok('tare', ['rmi', `${registry.host}/busy:one`]);
  const pruned = await daemon.ok('tare', ['image', 'prune', '-af']);
  expect(pruned).toContain('busy:old');
  expect(pruned).toMatch(/Total reclaimed space: [1-9]/);
  held.resolve();
  expect((await slow).code).toBe(0);
  await daemon.ok('tare', ['save', '-o', '/dev/null', `${registry.host}/busy:two`]);
  await expectSound(daemon);
}, 120_000);

test('kill -9 in the middle of a pull: the next one fetches only what is missing', async () => {
  await using daemon = await startDaemon();
  const { manifest } = registry.image('resumed', '1', [noiseLayer('a', MB), noiseLayer('b', MB)]);
  const [first = '', second = ''] = manifest.layers.map(({ digest }) => digest);
  const bytes = Buffer.from(registry.blobs.get(second) ?? []);
  // Half of the second layer arrives, and then nothing.
  registry.faults.push(
    onPath(second, 1, (response) => {
      response.writeHead(200, { 'Content-Length': String(bytes.length) });
      response.write(bytes.subarray(0, bytes.length >> 1));
    }),
  );
  const name = `${registry.host}/resumed:1`;
  const cut = daemon.tare('pull', name);
  const layers = join(daemon.dataRoot, 'erofs/layers');
  const before = namesIn(layers).length;
  const fetched = (digest: string) => registry.seen.filter(({ path }) => path.endsWith(digest));
  await until('the first layer is stored and the second on its way', async () => {
    const stored = namesIn(layers).length > before || !existsSync(layers);
    return stored && fetched(second).length > 0;
  });
  await Bun.sleep(300);
  await daemon.kill9();
  await cut;
  await daemon.start();
  await expectSound(daemon);
  await daemon.ok('tare', ['pull', name]);
  expect(fetched(first)).toHaveLength(1);
  expect(fetched(second).at(-1)?.range).toMatch(/^bytes=[1-9]/);
  await expectSound(daemon);
  await daemon.ok('tare', ['rmi', name]);
  expect((await daemon.ok('tare', ['system', 'df', '-v'])).includes('resumed')).toBe(false);
  await expectSound(daemon);
}, 120_000);

function namesIn(path: string): string[] {
  return existsSync(path) ? readdirSync(path) : [];
}
