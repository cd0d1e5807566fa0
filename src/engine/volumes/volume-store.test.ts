import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silentLogger } from '../../base/log.ts';
import { Database } from '../../store/database.ts';
import { VolumeTable } from '../../store/tables/volumes.ts';
import { LocalDriver } from './local-driver.ts';
import { PluginDrivers } from './plugins/plugin-drivers.ts';
import { VolumeDrivers } from './volume-drivers.ts';
import { VolumeStore } from './volume-store.ts';

let root: string;
let database: Database;
let table: VolumeTable;
let users: Record<string, string[]>;
let events: string[];

function open(): VolumeStore {
  return new VolumeStore({
    drivers: new VolumeDrivers(new LocalDriver(root, silentLogger), new PluginDrivers([])),
    table,
    usersOf: (name) => users[name] ?? [],
    events: { emit: (event) => events.push(`${event.action} ${event.id}`) },
    log: silentLogger,
    now: () => 1_700_000_000_000,
  });
}

const request = (name: string, labels: Record<string, string> = {}) => ({
  name,
  driver: '',
  labels,
  options: {},
});

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tare-volumes-'));
  database = new Database(':memory:');
  table = new VolumeTable(database);
  users = {};
  events = [];
});

afterEach(() => {
  database.close();
  rmSync(root, { recursive: true, force: true });
});

describe('local volumes', () => {
  test('a volume has a directory and outlives the daemon', async () => {
    const volume = await open().create(request('data', { a: 'b' }));
    expect(volume).toEqual({
      name: 'data',
      driver: 'local',
      scope: 'local',
      mountpoint: join(root, 'data', '_data'),
      createdAt: 1_700_000_000_000,
      labels: { a: 'b' },
      options: {},
      anonymous: false,
    });
    expect(existsSync(volume.mountpoint)).toBe(true);
    expect(open().get('data')).toEqual(volume);
    expect(events).toEqual(['create data']);
  });

  test('creating it again gives the same one', async () => {
    const volumes = open();
    const [first, second] = await Promise.all([
      volumes.create(request('data')),
      volumes.create(request('data')),
    ]);
    expect(second).toEqual(first);
    expect(events).toEqual(['create data']);
  });

  test('one without a name is anonymous', async () => {
    const volume = await open().create(request(''));
    expect(volume.name).toMatch(/^[0-9a-f]{64}$/);
    expect(volume.anonymous).toBe(true);
    expect(volume.labels).toEqual({ 'com.docker.volume.anonymous': '' });
  });

  test.each([
    ['x', 'create x: volume name is too short'],
    ['a/b', 'create a/b: "a/b" includes invalid characters for a local volume name'],
    ['..', 'includes invalid characters'],
    ['.removed', 'includes invalid characters'],
    ['a'.repeat(256), 'too long'],
  ])('the name %s is refused', async (name, words) => {
    await expect(open().create(request(name))).rejects.toThrow(words);
    expect(readdirSync(root)).toEqual([]);
  });

  test.each([
    [{ driver: 'nfs' }, 'create data: error looking up volume plugin nfs: plugin "nfs" not found'],
    [{ options: { speed: '1' } }, 'create data: invalid option: "speed"'],
    [{ options: { type: 'tmpfs' } }, 'create data: missing required option: "device"'],
    [{ options: { device: 'tmpfs' } }, 'create data: missing required option: "type"'],
    [{ options: { o: 'ro', device: 'x' } }, 'create data: missing required option: "type"'],
    [
      { options: { type: 'cifs', device: '//host:99/share' } },
      "create data: port not allowed in CIFS device URL, include 'port' in 'o='",
    ],
  ])('%j is refused', async (what, words) => {
    await expect(open().create({ ...request('data'), ...what })).rejects.toThrow(words);
    expect(readdirSync(root)).toEqual([]);
  });

  test('another driver cannot have the same name', async () => {
    const volumes = open();
    await volumes.create(request('data'));
    await expect(volumes.create({ ...request('data'), driver: 'nfs' })).rejects.toThrow('plugin "nfs"');
    expect((await volumes.create({ ...request('data'), driver: 'local' })).name).toBe('data');
  });

  test('while a container is being made its volumes stay', async () => {
    const volumes = open();
    await volumes.acquire(request('data'), 'c1');
    await expect(volumes.remove('data', true)).rejects.toThrow('remove data: volume is in use - [c1]');
    expect((await volumes.prune(() => true)).deleted).toEqual([]);
    volumes.release('c1');
    await volumes.remove('data', false);
    expect(volumes.list()).toEqual([]);
  });

  test('removal needs that nobody uses it', async () => {
    const volumes = open();
    await volumes.create(request('data'));
    users.data = ['c1', 'c2'];
    await expect(volumes.remove('data', true)).rejects.toThrow('remove data: volume is in use - [c1, c2]');
    users.data = [];
    await volumes.remove('data', false);
    expect(volumes.find('data')).toBeUndefined();
    expect(readdirSync(root)).toEqual(['.removed']);
    expect(readdirSync(join(root, '.removed'))).toEqual([]);
    expect(table.all()).toEqual([]);
    await expect(volumes.remove('data', false)).rejects.toThrow('get data: no such volume');
    await volumes.remove('data', true);
  });

  test('the sweep repairs what a crash left and spares data', async () => {
    await open().create(request('kept'));
    await open().create(request('lost'));
    await open().create(request('removed'));
    rmSync(join(root, 'lost'), { recursive: true });
    mkdirSync(join(root, 'half', '_data'), { recursive: true });
    mkdirSync(join(root, '.removed'));
    renameSync(join(root, 'removed'), join(root, '.removed', 'removed'));
    writeFileSync(join(root, '.removed', 'removed', '_data', 'x'), 'x');
    mkdirSync(join(root, 'foreign', '_data'), { recursive: true });
    writeFileSync(join(root, 'foreign', '_data', 'precious'), 'x');
    const volumes = open();
    await volumes.sweep();
    expect(volumes.list().map((volume) => volume.name)).toEqual(['kept', 'lost']);
    expect(table.all().map((row) => row.name)).toEqual(['kept', 'lost']);
    expect(readdirSync(root).sort()).toEqual(['foreign', 'kept', 'lost']);
    expect(existsSync(volumes.get('lost').mountpoint)).toBe(true);
  });

  test('an anonymous volume goes with its container when a crash left that half made or half removed', async () => {
    const before = open();
    const made = await Promise.all([1, 2, 3].map((n) => before.acquire(request(''), `c${n}`)));
    const [half, living, kept] = made.map(({ volume }) => volume);
    const { volume: named } = await before.acquire(request('named'), 'c1');
    before.unclaim(kept!.name);
    users[living!.name] = ['c2'];
    await open().sweep();
    const left = new Set(
      open()
        .list()
        .map(({ name }) => name),
    );
    expect(left).toEqual(new Set([living!.name, kept!.name, named.name]));
    expect(existsSync(half!.mountpoint)).toBe(false);
    users = {};
    await open().sweep();
    expect(
      new Set(
        open()
          .list()
          .map(({ name }) => name),
      ),
    ).toEqual(new Set([kept!.name, named.name]));
  });

  test('a rename that a crash cut short is completed, and never takes what is another volume by now', async () => {
    const volume = await open().create(request('before'));
    writeFileSync(join(volume.mountpoint, 'x'), 'x');
    const document = (formerly: string) =>
      JSON.stringify({ createdAt: 1, labels: {}, options: {}, anonymous: false, formerly });
    // The row is written first, then the directory is moved.
    table.rename('before', { name: 'after', document: document('before') });
    const volumes = open();
    await volumes.sweep();
    expect(readdirSync(volumes.get('after').mountpoint)).toEqual(['x']);
    expect(readdirSync(root)).toEqual(['after']);
    expect(table.all()[0]?.document).not.toContain('formerly');
    // The mark stayed, and the former name is used again.
    table.update({ name: 'after', document: document('again') });
    rmSync(join(root, 'after'), { recursive: true });
    await open().create(request('again'));
    const last = open();
    await last.sweep();
    expect(last.list().map(({ name }) => name)).toEqual(['after', 'again']);
    expect(readdirSync(root).sort()).toEqual(['after', 'again']);
  });

  test('a volume appears with all of its content or not at all', async () => {
    const volumes = open();
    const fill = async (directory: string) => writeFileSync(join(directory, 'x'), 'x');
    await expect(
      volumes.createFilled('filled', {}, async (directory) => {
        await fill(directory);
        throw new Error('cut short');
      }),
    ).rejects.toThrow('cut short');
    expect(volumes.list()).toEqual([]);
    mkdirSync(join(root, '.new', 'left', '_data'), { recursive: true });
    await volumes.createFilled('filled', { a: 'b' }, fill);
    expect(readdirSync(volumes.get('filled').mountpoint)).toEqual(['x']);
    await expect(volumes.createFilled('filled', {}, fill)).rejects.toThrow('in use already');
    expect(readdirSync(join(root, 'filled'))).toEqual(['_data']);
    // Killed between the directory's new name and the row.
    mkdirSync(join(root, 'torn', '_data'), { recursive: true });
    for (const name of ['unfinished', '_data/x']) writeFileSync(join(root, 'torn', name), '');
    await open().sweep();
    expect(readdirSync(root)).toEqual(['filled']);
  });

  test('a row that cannot be written leaves no directory', async () => {
    const volumes = open();
    database.sqlite.exec('DROP TABLE volumes');
    await expect(volumes.create(request('data'))).rejects.toThrow('create data');
    expect(readdirSync(root)).toEqual([]);
    expect(volumes.find('data')).toBeUndefined();
  });

  test('prune counts bytes and spares what is used', async () => {
    const volumes = open();
    const a = await volumes.create(request('aa'));
    await volumes.create(request('bb'));
    await volumes.create(request('cc', { keep: '' }));
    mkdirSync(join(a.mountpoint, 'deep'));
    writeFileSync(join(a.mountpoint, 'deep', 'file'), 'x'.repeat(1000));
    linkSync(join(a.mountpoint, 'deep', 'file'), join(a.mountpoint, 'link'));
    users.bb = ['c1'];
    const result = await volumes.prune((volume) => !('keep' in volume.labels));
    expect(result).toEqual({ deleted: ['aa'], reclaimed: 1000 });
    expect(volumes.list().map((volume) => volume.name)).toEqual(['bb', 'cc']);
  });
});
