import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { FAKE_ID, type FakeBuilder, startFakeBuilder } from '../../../test/support/fake-builder.ts';
import { toText } from '../../archive/byte-string.ts';
import type { TarEntry } from '../../archive/tar-entry.ts';
import { readTarMembers } from '../../archive/tar-members.ts';
import { runCli } from '../cli.ts';
import { isArchive, readStdinContext } from './stdin-context.ts';

let builder: FakeBuilder;
let folder: string;
beforeEach(() => {
  builder = startFakeBuilder();
  folder = mkdtempSync(join(tmpdir(), 'tare-build-cli-'));
  writeFileSync(join(folder, 'Dockerfile'), 'FROM scratch\n');
});
afterEach(async () => {
  await builder[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function tare(words: readonly string[], environment: Record<string, string> = {}) {
  let out = '';
  let err = '';
  const code = await runCli(words, {
    console: {
      out(data) {
        out += typeof data === 'string' ? data : Buffer.from(data).toString();
      },
      err(data) {
        err += typeof data === 'string' ? data : Buffer.from(data).toString();
      },
    },
    environment: {
      TARE_HOST: builder.address,
      DOCKER_CONFIG: builder.folder,
      PATH: '/nowhere',
      ...environment,
    },
  });
  return { code, out, err };
}

interface Member {
  readonly entry: TarEntry;
  readonly text: string;
}

async function membersOf(tar: Uint8Array): Promise<Map<string, Member>> {
  async function* source() {
    yield tar;
  }
  const members = new Map<string, Member>();
  for await (const { entry, body } of readTarMembers(source())) {
    let text = '';
    for await (const piece of body) text += Buffer.from(piece).toString();
    members.set(toText(entry.name), { entry, text });
  }
  return members;
}

const query = (): Record<string, string> => Object.fromEntries(builder.builds.at(-1)!.query);

describe('the request', () => {
  test('names only what differs from the defaults', async () => {
    expect(await tare(['build', folder])).toMatchObject({ code: 0, err: '' });
    expect(query()).toEqual({ dockerfile: 'Dockerfile', version: '1' });
    expect(builder.builds[0]!.headers.get('content-type')).toBe('application/x-tar');
  });

  test('has every flag under docker’s name', async () => {
    const flags = [
      ...[
        '-t',
        'x:1',
        '-t',
        'host:5000/y',
        '--target',
        'last',
        '--platform',
        'Linux/AMD64',
        '--network',
        'host',
      ],
      ...['--no-cache', '--pull', '--force-rm', '--rm=false', '--label', 'a=b=c', '--label', 'empty'],
      ...['--add-host', 'a:1.2.3.4', '--ulimit', 'nofile=1:2', '--memory', '10m', '--memory-swap', '-1'],
      ...['--shm-size', '1m', '-c', '4', '--cpu-period', '5', '--cpu-quota', '6', '--cpuset-cpus', '0'],
      ...['--cpuset-mems', '1', '--cgroup-parent', '/p', '--security-opt', 'x,y', '--isolation', 'default'],
      ...['--cache-from', 'a,b', '--cache-from', 'type=registry,ref=c:1', '--build-arg', 'A=1=2'],
      ...['--build-arg', 'PATH', '--build-arg', 'TARE_TEST_NOT_SET', '--load'],
    ];
    expect(await tare(['image', 'build', ...flags, folder])).toMatchObject({ code: 0, err: '' });
    const { t: _, securityopt: __, buildargs, ...rest } = query();
    expect(builder.builds[0]!.query.getAll('t')).toEqual(['x:1', 'host:5000/y']);
    expect(builder.builds[0]!.query.getAll('securityopt')).toEqual(['x', 'y']);
    expect(JSON.parse(buildargs!)).toEqual({ A: '1=2', PATH: process.env.PATH, TARE_TEST_NOT_SET: null });
    expect(rest).toEqual({
      dockerfile: 'Dockerfile',
      version: '1',
      target: 'last',
      platform: 'linux/amd64',
      networkmode: 'host',
      nocache: '1',
      pull: '1',
      forcerm: '1',
      rm: '0',
      labels: '{"a":"b=c","empty":""}',
      extrahosts: 'a:1.2.3.4',
      ulimits: '[{"Name":"nofile","Soft":1,"Hard":2}]',
      memory: '10485760',
      memswap: '-1',
      shmsize: '1048576',
      cpushares: '4',
      cpuperiod: '5',
      cpuquota: '6',
      cpusetcpus: '0',
      cpusetmems: '1',
      cgroupparent: '/p',
      isolation: 'default',
      cachefrom: '["a","b","c:1"]',
    });
  });

  test('credentials, proxies and the date of the environment go along', async () => {
    const auth = Buffer.from('me:secret').toString('base64');
    writeFileSync(
      join(builder.folder, 'config.json'),
      JSON.stringify({ auths: { 'h:5000': { auth } }, proxies: { default: { httpProxy: 'http://p:1' } } }),
    );
    const environment = { SOURCE_DATE_EPOCH: '17', DOCKER_DEFAULT_PLATFORM: 'linux/arm64' };
    await tare(['build', '--build-arg', 'HTTP_PROXY=mine', folder], environment);
    const header = builder.builds[0]!.headers.get('x-registry-config')!;
    expect(JSON.parse(Buffer.from(header, 'base64url').toString())).toEqual({
      'h:5000': { username: 'me', password: 'secret', serveraddress: 'h:5000' },
    });
    expect(JSON.parse(query().buildargs!)).toEqual({
      HTTP_PROXY: 'mine',
      http_proxy: 'http://p:1',
      SOURCE_DATE_EPOCH: '17',
    });
    expect(query().platform).toBe('linux/arm64');
  });
});

describe('a directory', () => {
  test('is sent as root’s, with modes, times, links and pipes, without sockets', async () => {
    mkdirSync(join(folder, 'd'), { mode: 0o750 });
    writeFileSync(join(folder, 'd/script'), 'text', { mode: 0o4755 });
    utimesSync(join(folder, 'd/script'), 1_600_000_000, 1_600_000_000.5);
    linkSync(join(folder, 'd/script'), join(folder, 'd/twin'));
    symlinkSync('../nowhere', join(folder, 'd/link'));
    Bun.spawnSync(['mkfifo', join(folder, 'pipe')]);
    const socket = createServer().listen(join(folder, 'socket'));
    await tare(['build', folder]);
    socket.close();
    const members = await membersOf(builder.builds[0]!.body);
    expect([...members.keys()]).toEqual(['Dockerfile', 'd/', 'd/link', 'd/script', 'd/twin', 'pipe']);
    for (const { entry } of members.values()) expect([entry.uid, entry.gid]).toEqual([0, 0]);
    expect(members.get('d/')!.entry).toMatchObject({ type: 'directory', mode: 0o750 });
    expect(members.get('d/script')!).toMatchObject({
      text: 'text',
      entry: { type: 'file', mode: 0o4755, seconds: 1_600_000_000, nanoseconds: 0 },
    });
    expect(members.get('d/twin')!.entry).toMatchObject({ type: 'link', linkName: 'd/script' });
    expect(members.get('d/link')!.entry).toMatchObject({ type: 'symlink', linkName: '../nowhere' });
    expect(members.get('pipe')!.entry.type).toBe('fifo');
  });

  test('keeps a left out directory’s own mode when something in it is sent', async () => {
    mkdirSync(join(folder, 'd/e'), { recursive: true });
    mkdirSync(join(folder, 'd/empty'));
    Bun.spawnSync(['chmod', '700', join(folder, 'd')]);
    writeFileSync(join(folder, 'd/e/f'), '');
    writeFileSync(join(folder, '.dockerignore'), '*\n!d/e/f\n');
    await tare(['build', folder]);
    const members = await membersOf(builder.builds[0]!.body);
    expect([...members.keys()]).toEqual(['.dockerignore', 'Dockerfile', 'd/', 'd/e/', 'd/e/f']);
    expect(members.get('d/')!.entry.mode).toBe(0o700);
  });

  test('a large file goes through whole', async () => {
    writeFileSync(join(folder, 'large'), Buffer.alloc(3_500_000, 'abc'));
    const { out } = await tare(['build', folder]);
    expect(out).toStartWith('Sending build context to Tare daemon  3.503MB\nStep 1/1 : FROM scratch\n');
    const members = await membersOf(builder.builds[0]!.body);
    expect(members.get('large')!.text).toBe(Buffer.alloc(3_500_000, 'abc').toString());
  });

  test('may be given by a link, and compressed', async () => {
    const link = join(builder.folder, 'link');
    symlinkSync(folder, link);
    await tare(['build', '--compress', link]);
    expect([...(await membersOf(gunzipSync(builder.builds[0]!.body))).keys()]).toEqual(['Dockerfile']);
  });

  test('a Dockerfile in lower case is found, one in a folder has its path', async () => {
    rmSync(join(folder, 'Dockerfile'));
    writeFileSync(join(folder, 'dockerfile'), '');
    await tare(['build', folder]);
    expect(query().dockerfile).toBe('dockerfile');
    mkdirSync(join(folder, 'sub'));
    symlinkSync('../dockerfile', join(folder, 'sub/link'));
    writeFileSync(join(folder, 'sub/own'), '');
    await tare(['build', '-f', join(folder, 'sub/own'), folder]);
    expect(query().dockerfile).toBe('sub/own');
    await tare(['build', '-f', join(folder, 'sub/link'), folder]);
    expect(query().dockerfile).toBe('dockerfile');
  });

  test('a Dockerfile from elsewhere gets a name that nothing has, and is ignored by it', async () => {
    const other = join(builder.folder, 'Other');
    writeFileSync(other, 'FROM other\n');
    writeFileSync(join(folder, '.dockerignore'), 'x');
    await tare(['build', '-f', other, folder]);
    const name = query().dockerfile!;
    expect(name).toMatch(/^\.dockerfile\.[0-9a-f]{20}$/);
    const members = await membersOf(builder.builds[0]!.body);
    expect([...members.keys()]).toEqual([name, '.dockerignore', 'Dockerfile']);
    expect(members.get(name)!.text).toBe('FROM other\n');
    expect(members.get('.dockerignore')!.text).toBe(`x\n${name}\n`);
  });

  test('the Dockerfile’s own ignore file counts in place of the other', async () => {
    writeFileSync(join(folder, '.dockerignore'), 'a\nDockerfile\n');
    writeFileSync(join(folder, 'Dockerfile.dockerignore'), 'b');
    for (const name of ['a', 'b']) writeFileSync(join(folder, name), '');
    await tare(['build', folder]);
    const members = await membersOf(builder.builds[0]!.body);
    expect([...members.keys()]).toEqual(['.dockerignore', 'Dockerfile', 'Dockerfile.dockerignore', 'a']);
    expect(members.get('.dockerignore')!.text).toBe('b\n.dockerignore\n');
  });
});

describe('other contexts', () => {
  test.each([
    'http://example.com/context/Dockerfile',
    'https://example.com/context.tar.gz',
    'https://example.com/repository.git#v1:folder',
    'git://example.com/repository',
    'git@example.com:repository',
    'github.com/owner/repository',
  ])('%s is fetched by the daemon', async (address) => {
    expect(await tare(['builder', 'build', '-f', 'x', address])).toMatchObject({ code: 0 });
    expect(query()).toEqual({ remote: address, dockerfile: 'x', version: '1' });
    expect(builder.builds[0]!.body.length).toBe(0);
  });

  async function* pieces(...texts: (string | Uint8Array)[]) {
    for (const text of texts) yield Buffer.from(text as string);
  }

  test('stdin holds a Dockerfile or an archive', async () => {
    expect(await readStdinContext(pieces('FROM ', 'x'))).toEqual({ dockerfile: Buffer.from('FROM x') });
    expect(await readStdinContext(pieces())).toEqual({ dockerfile: Buffer.alloc(0) });
    const long = 'x'.repeat(5000);
    expect(await readStdinContext(pieces(long, long))).toEqual({ dockerfile: Buffer.from(long + long) });
    await tare(['build', folder]);
    const tar = builder.builds[0]!.body;
    for (const archive of [tar, gzipSync(tar)]) {
      const found = await readStdinContext(pieces(archive.subarray(0, 7), archive.subarray(7)));
      const read = 'archive' in found ? await Array.fromAsync(found.archive) : [];
      expect(Buffer.concat(read)).toEqual(Buffer.from(archive));
    }
  });

  test.each([
    ['bzip2', [0x42, 0x5a, 0x68], true],
    ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], true],
    ['zstd', [0x28, 0xb5, 0x2f, 0xfd], true],
    ['zeros', new Array(1024).fill(0), false],
    ['text', new Array(1024).fill(0x20), false],
  ])('%s', (_, bytes, expected) => {
    expect(isArchive(new Uint8Array(bytes as number[]))).toBe(expected as boolean);
  });
});

describe('the answer', () => {
  test('a failure goes to stderr, also what was said before with --quiet', async () => {
    const message = "The command '/bin/sh -c false' returned a non-zero code: 1";
    builder.messages = [
      { stream: 'Step 1/1 : RUN false\n' },
      { error: message, errorDetail: { code: 1, message } },
    ];
    const loud = await tare(['build', folder]);
    expect(loud).toMatchObject({ code: 1, err: `${message}\n` });
    expect(loud.out).toEndWith('Step 1/1 : RUN false\n');
    const quiet = await tare(['build', '-q', folder]);
    expect(quiet).toMatchObject({ code: 1, out: '' });
    expect(quiet.err).toEndWith(`Step 1/1 : RUN false\n${message}\n`);
  });

  test('--quiet prints the id alone, from the stream or beside it', async () => {
    expect(await tare(['build', '--quiet', folder])).toEqual({ code: 0, out: `${FAKE_ID}\n`, err: '' });
    expect(query().q).toBe('1');
    builder.messages = [{ stream: `${FAKE_ID}\n` }];
    expect((await tare(['build', '--quiet', folder])).out).toBe(`${FAKE_ID}\n`);
  });

  test('an id for a file, which is gone when the build fails', async () => {
    const file = join(builder.folder, 'iid');
    const metadata = join(builder.folder, 'metadata');
    await tare(['build', '--iidfile', file, '--metadata-file', metadata, '-t', 'x', folder]);
    expect(readFileSync(file, 'utf8')).toBe(FAKE_ID);
    expect(JSON.parse(readFileSync(metadata, 'utf8'))).toEqual({
      'containerimage.config.digest': FAKE_ID,
      'image.name': 'docker.io/library/x:latest',
    });
    builder.messages = [{ error: 'no', errorDetail: { message: 'no' } }];
    await tare(['build', '--iidfile', file, folder]);
    expect(existsSync(file)).toBe(false);
  });

  test('--push pushes every name', async () => {
    builder.answers.set('POST /images/h:5000/x/push', { aux: { Digest: 'sha256:1' } });
    builder.answers.set('POST /images/h:5000/y/push', { status: 'done' });
    const { code, out } = await tare(['build', '--push', '-t', 'h:5000/x', '-t', 'h:5000/y:2', folder]);
    expect(code).toBe(0);
    expect(out).toEndWith('done\n');
    const pushes = builder.others.filter(({ path }) => path.startsWith('/images/'));
    expect(pushes.map(({ path, query: asked }) => `${path}?${asked}`)).toEqual([
      '/images/h:5000/x/push?tag=latest',
      '/images/h:5000/y/push?tag=2',
    ]);
  });
});

describe('refusals', () => {
  test.each([
    [['--secret', 'id=x'], '--secret needs a Tare daemon'],
    [['--ssh', 'default'], '--ssh needs a Tare daemon'],
    [['--build-context', 'a=b'], '--build-context needs a Tare daemon'],
    [['--call', 'outline'], 'invalid value for --call: outline: give build or check'],
    [['--cache-to', 'type=gha'], '--cache-to type=gha is not supported'],
    [['--cache-from', 'type=gha'], '--cache-from type=gha is not supported'],
    [['--no-cache-filter', 'x'], '--no-cache-filter needs a Tare daemon'],
    [['--platform', 'linux/amd64,linux/arm64'], 'multiple platforms are not supported'],
    [['--progress', 'fancy'], 'invalid progress "fancy"'],
    [['--output', 'type=nope'], 'invalid output "type=nope": give a type'],
    [['--output', 'type=local'], 'dest is required for local output'],
    [['--push'], 'tag is needed when pushing to registry'],
    [['-f', '/nowhere/x'], 'lstat /nowhere/x: no such file or directory'],
  ])('%p', async (flags, message) => {
    const { code, out, err } = await tare(['build', ...flags, folder]);
    expect(err).toContain(message);
    expect({ code, out }).toEqual({ code: 1, out: '' });
    expect(builder.builds).toEqual([]);
  });

  test('a context that is none, a name that is none', async () => {
    expect(await tare(['build', '/nowhere'])).toEqual({
      code: 1,
      out: '',
      err: 'unable to prepare context: path "/nowhere" not found\n',
    });
    expect((await tare(['build', join(folder, 'Dockerfile')])).err).toContain('context must be a directory');
    const { code, err } = await tare(['build', '-t', 'A:b:c', folder]);
    expect(code).toBe(125);
    expect(err).toContain('invalid argument "A:b:c" for "-t, --tag" flag: invalid reference format');
  });
});

describe('builder prune', () => {
  test('lists what was removed', async () => {
    builder.answers.set('POST /build/prune', { CachesDeleted: ['a', 'b'], SpaceReclaimed: 12345 });
    const flags = ['-a', '-f', '--filter', 'until=24h', '--keep-storage', '1g'];
    expect(await tare(['builder', 'prune', ...flags])).toEqual({
      code: 0,
      out: 'Deleted build cache objects:\na\nb\n\nTotal reclaimed space: 12.35kB\n',
      err: '',
    });
    expect(Object.fromEntries(builder.others[0]!.query)).toEqual({
      all: '1',
      filters: '{"until":{"24h":true}}',
      'keep-storage': '1073741824',
    });
  });
});
