/** What goes into a build besides its context, and what comes out of it: outputs, caches, secrets, agents. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'bun:test';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { must, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { RegistryProcess } from '../support/registry-process.ts';

let daemon: TestDaemon;
let place: string;
let context: string;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
  place = mkdtempSync('/tmp/tare-outputs-');
}, 120_000);
afterAll(async () => {
  rmSync(place, { recursive: true, force: true });
  await daemon?.stop();
}, 120_000);
beforeEach(() => {
  context = mkdtempSync(join(place, 'context-'));
});

const TIMEOUT = 60_000;

function write(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(context, path, '..'), { recursive: true });
    writeFileSync(join(context, path), text);
  }
}

const build = (args: readonly string[], env: Record<string, string> = {}) =>
  daemon.client('tare', ['build', ...args, context], { cwd: place, env });

async function built(args: readonly string[], env: Record<string, string> = {}): Promise<string> {
  const { code, stdout, stderr } = await build(args, env);
  if (code !== 0) throw new Error(`build ${args.join(' ')}: ${code}\n${stdout}\n${stderr}\n${daemon.log()}`);
  return stdout;
}

const output = (image: string, ...command: string[]) => daemon.ok('tare', ['run', '--rm', image, ...command]);
const idOf = (image: string) => daemon.ok('tare', ['inspect', '-f', '{{.Id}}', image]);

describe('outputs', () => {
  test(
    'a folder, archives, stdout, all of one build, with the files that tell of it',
    async () => {
      write({ Dockerfile: 'FROM scratch\nCOPY dir /dir\n', 'dir/file': 'content' });
      chmodSync(join(context, 'dir/file'), 0o640);
      const archives = ['tar', 'docker', 'oci'].flatMap((type) => [
        '-o',
        `type=${type},dest=${place}/${type}.tar`,
      ]);
      const tells = ['--iidfile', `${place}/iid`, '--metadata-file', `${place}/metadata`];
      await built(['-t', 'out:1', '-o', `${place}/folder`, ...archives, ...tells]);
      expect(readFileSync(`${place}/folder/dir/file`, 'utf8')).toBe('content');
      expect(await must(['tar', '-tvf', `${place}/tar.tar`])).toMatch(
        /^drwx\S+ 0\/0 .* dir\/\n-rw-r----- 0\/0 .* dir\/file$/,
      );
      expect(await must(['tar', '-xOf', `${place}/oci.tar`, 'index.json'])).toContain(
        'docker.io/library/out:1',
      );
      expect(await must(['tar', '-xOf', `${place}/docker.tar`, 'manifest.json'])).toContain('out:1');
      const id = readFileSync(`${place}/iid`, 'utf8');
      expect(JSON.parse(readFileSync(`${place}/metadata`, 'utf8'))).toMatchObject({
        'containerimage.config.digest': id,
        'image.name': 'docker.io/library/out:1',
      });
      const { stdout, stderr } = await daemon.client('tare', ['build', '-o', '-', context]);
      writeFileSync(`${place}/stdout.tar`, stdout, 'latin1');
      expect(await must(['tar', '-xOf', `${place}/stdout.tar`, 'dir/file'])).toBe('content');
      expect(stderr).toContain('Step 1/2 : FROM scratch');
    },
    TIMEOUT,
  );

  test(
    '--progress=rawjson has BuildKit’s members, on stderr',
    async () => {
      write({ Dockerfile: 'FROM busybox\nRUN echo one; echo two >&2\n' });
      const { code, stdout, stderr } = await build(['--progress=rawjson', '--no-cache']);
      expect([code, stdout]).toEqual([0, '']);
      const all = stderr
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      const run = all.flatMap(({ vertexes = [] }) => vertexes).findLast(({ name }) => name.includes('RUN'));
      expect(run).toMatchObject({
        name: '[2/2] RUN echo one; echo two >&2',
        completed: expect.stringMatching(/Z$/),
      });
      const logs = all.flatMap(({ logs: own = [] }) => own);
      expect(logs.map(({ stream, data }) => `${stream}:${Buffer.from(data, 'base64')}`).sort()).toEqual([
        '1:one\n',
        '2:two\n',
      ]);
    },
    TIMEOUT,
  );

  test(
    'with SOURCE_DATE_EPOCH a build of another day makes the same image, bit for bit',
    async () => {
      write({
        Dockerfile:
          'FROM busybox\nARG SOURCE_DATE_EPOCH\nWORKDIR /w\nCOPY f .\nRUN echo made >/w/made; mkdir d\nLABEL a=b\n',
        f: '1',
      });
      const env = { SOURCE_DATE_EPOCH: '1700000000' };
      const ids: string[] = [];
      for (const when of [1_750_000_000, 1_760_000_000]) {
        utimesSync(join(context, 'f'), when, when);
        await built(['-t', 'epoch', '--no-cache'], env);
        ids.push(await idOf('epoch'));
        // The clock has another second.
        await Bun.sleep(1100);
      }
      expect(ids[1]).toBe(ids[0]!);
      expect(await daemon.ok('tare', ['inspect', '-f', '{{.Created}}', 'epoch'])).toBe(
        '2023-11-14T22:13:20Z',
      );
      expect(await output('epoch', 'stat', '-c', '%Y', '/w/made', '/w/f')).toBe('1700000000\n1700000000');
    },
    TIMEOUT,
  );
});

test(
  '--squash makes one layer of all that the build adds, without what it removed again',
  async () => {
    write({
      Dockerfile: [
        'FROM busybox AS base',
        'RUN mkdir -p /kept /again /gone; echo base >/kept/base; echo old >/again/old; echo x >/gone/x; echo f >/file',
        'FROM base',
        'RUN echo secret-ish >/kept/removed; echo one >/kept/one; rm -r /gone; rm -r /again; mkdir /again; ln /kept/one /kept/link',
        'RUN rm /kept/removed; rm -r /again; mkdir /again; echo new >/again/new; rm /file; mkdir /file; echo in >/file/in',
        'RUN echo two >/kept/two; chmod 700 /kept',
      ].join('\n'),
    });
    await daemon.ok('tare', ['build', '--target', 'base', '-t', 'squash-base', context]);
    write({
      Dockerfile: readFileSync(join(context, 'Dockerfile'), 'utf8').replace(
        /^.*FROM base$/ms,
        'FROM squash-base',
      ),
    });
    await built(['-t', 'plain']);
    await built(['-t', 'squashed', '--squash']);
    const layers = async (image: string): Promise<number> =>
      (await daemon.ok('tare', ['inspect', '-f', '{{json .RootFS.Layers}}', image])).split(',').length;
    expect([await layers('plain'), await layers('squashed')]).toEqual([5, 3]);
    const tree = [
      'sh',
      '-c',
      'find /kept /again /gone /file -exec ls -ld {} + 2>&1; cat /kept/* /again/* /file/*',
    ];
    // Of directories overlayfs tells sizes of its own; times differ.
    const bare = (text: string): string =>
      text.replace(/ +\w+ +\d+ +[\d:]+ /g, ' ').replace(/^(d.* root) +\d+/gm, '$1');
    expect(bare(await output('squashed', ...tree))).toBe(bare(await output('plain', ...tree)));
    await daemon.ok('tare', ['save', '-o', `${place}/squashed.tar`, 'squashed']);
    expect(readFileSync(`${place}/squashed.tar`, 'latin1')).not.toContain('secret-ish\n');
  },
  TIMEOUT,
);

describe('what goes in', () => {
  test(
    'a secret is there for its step, and then nowhere: not in the whole store, its rows, keys, logs or caches',
    async () => {
      const value = `hidden-${crypto.randomUUID()}`;
      const file = join(place, 'secret');
      writeFileSync(file, value);
      write({
        Dockerfile: [
          'FROM busybox',
          'RUN --mount=type=secret,id=a,required=true test "$(cat /run/secrets/a)" = "$(cat /run/secrets/a)" && wc -c </run/secrets/a >/length',
          'RUN --mount=type=secret,id=b,env=TOKEN test -n "$TOKEN" && echo "$TOKEN" | wc -c >/second',
          'RUN --mount=type=secret,id=none test ! -e /run/secrets/none',
        ].join('\n'),
      });
      const flags = ['--secret', `id=a,src=${file}`, '--secret', 'id=b,env=HIDDEN', '-t', 'secret'];
      const cache = `type=local,dest=${place}/secret-cache,mode=max`;
      const said = await built([...flags, '--cache-to', cache], { HIDDEN: value });
      expect(await output('secret', 'cat', '/length', '/second')).toBe(
        `${value.length}\n${value.length + 1}`,
      );
      expect(said).not.toContain(value);
      expect(await daemon.ok('tare', ['history', '--no-trunc', 'secret'])).not.toContain(value);
      const found = await daemon
        .client('tare', ['version'])
        .then(() =>
          Bun.spawnSync([
            'grep',
            '-rlaF',
            value,
            daemon.dataRoot,
            daemon.execRoot,
            join(daemon.root, 'daemon.log'),
            `${place}/secret-cache`,
          ]),
        );
      expect(found.stdout.toString()).toBe('');
      const wanting = await build(['--no-cache']);
      expect([wanting.code === 0, wanting.stderr]).toEqual([false, expect.stringContaining('secret a')]);
    },
    TIMEOUT,
  );

  test(
    'named contexts: a folder, an image in place of a name',
    async () => {
      const other = mkdtempSync(join(place, 'other-'));
      writeFileSync(join(other, 'x'), 'from the other');
      writeFileSync(join(other, 'skipped'), '');
      writeFileSync(join(other, '.dockerignore'), 'skipped\n');
      write({ Dockerfile: 'FROM base\nCOPY --from=files . /files\nCMD ["ls", "/files"]\n' });
      const flags = ['--build-context', `files=${other}`, '--build-context', 'base=docker-image://busybox'];
      await built([...flags, '-t', 'named']);
      expect(await output('named')).toBe('x');
      const { code, stderr } = await build(['--build-context', 'files=/nowhere']);
      expect([code, stderr]).toEqual([1, 'failed to get build context files: /nowhere is not a folder\n']);
    },
    TIMEOUT,
  );

  test(
    '--no-cache-filter: only these stages are built again',
    async () => {
      write({
        Dockerfile:
          'FROM busybox AS a\nRUN cat /proc/sys/kernel/random/uuid >/a\nFROM busybox AS b\nRUN cat /proc/sys/kernel/random/uuid >/b\nFROM busybox\nCOPY --from=a /a /\nCOPY --from=b /b /\nCMD ["cat", "/a", "/b"]\n',
      });
      await built(['-t', 'filter']);
      const [a, b] = (await output('filter')).split('\n');
      await built(['-t', 'filter', '--no-cache-filter', 'b']);
      const [again, other] = (await output('filter')).split('\n');
      expect(again).toBe(a!);
      expect(other).not.toBe(b!);
    },
    TIMEOUT,
  );
});

describe('caches', () => {
  const RANDOM =
    'FROM busybox AS a\nRUN cat /proc/sys/kernel/random/uuid >/a\nFROM busybox\nCOPY --from=a /a /\nCMD ["cat", "/a"]\n';

  test(
    'a cache in a folder makes another daemon’s build the same; mode=max has the other stages too',
    async () => {
      write({ Dockerfile: RANDOM });
      await built(['-t', 'cached', '--cache-to', `type=local,dest=${place}/cache,mode=max`]);
      const first = await output('cached');
      await daemon.ok('tare', ['rmi', '-f', 'cached']);
      await daemon.ok('tare', ['builder', 'prune', '-af']);
      const images = await daemon.ok('tare', ['images', '-aq']);
      const said = await built(['-t', 'cached', '--cache-from', `type=local,src=${place}/cache`]);
      expect(said.match(/Using cache/g)).toHaveLength(2);
      expect(await output('cached')).toBe(first);
      expect((await daemon.ok('tare', ['images', '-aq'])).split('\n').length).toBe(
        images.split('\n').length + 1,
      );
      const missing = await build(['-q', '--cache-from', `type=local,src=${place}/nowhere`]);
      expect([missing.code, missing.stderr]).toEqual([
        0,
        expect.stringMatching(/^WARNING: importing the cache /),
      ]);
    },
    TIMEOUT,
  );

  test(
    'a cache in a registry',
    async () => {
      const inside = ['nsenter', `--net=/run/netns/${daemon.bridge}`, '--'];
      const registry = await RegistryProcess.start({ root: join(place, 'registry'), inside });
      try {
        const ref = `type=registry,ref=${registry.host}/cache:1`;
        write({ Dockerfile: RANDOM.replace('/a\nFROM', '/a && echo registry\nFROM') });
        await built(['-t', `${registry.host}/app:1`, '--push', '--cache-to', `${ref},mode=max`]);
        const first = await output(`${registry.host}/app:1`);
        await daemon.ok('tare', ['rmi', '-f', `${registry.host}/app:1`]);
        await daemon.ok('tare', ['builder', 'prune', '-af']);
        expect((await built(['-t', 'again', '--cache-from', ref])).match(/Using cache/g)).toHaveLength(2);
        expect(await output('again')).toBe(first);
        expect(await daemon.ok('tare', ['images', '-q', `${registry.host}/cache`])).toBe('');
      } finally {
        await registry.stop();
      }
    },
    TIMEOUT,
  );

  test(
    'an image that brings its own cache',
    async () => {
      write({ Dockerfile: 'FROM busybox\nRUN cat /proc/sys/kernel/random/uuid >/a\nCMD ["cat", "/a"]\n' });
      await built(['-t', 'inline', '--cache-to', 'type=inline', '--iidfile', `${place}/inline`]);
      expect(readFileSync(`${place}/inline`, 'utf8')).toBe(await idOf('inline'));
      const first = await output('inline');
      await daemon.ok('tare', ['save', '-o', `${place}/inline.tar`, 'inline']);
      await daemon.ok('tare', ['rmi', '-f', 'inline']);
      await daemon.ok('tare', ['builder', 'prune', '-af']);
      await daemon.ok('tare', ['load', '-i', `${place}/inline.tar`]);
      await built(['-t', 'again', '--cache-from', 'inline']);
      expect(await output('again')).toBe(first);
    },
    TIMEOUT,
  );

  test(
    'cache mounts go out and come in',
    async () => {
      write({
        Dockerfile:
          'FROM busybox\nRUN --mount=type=cache,id=things,target=/c ls /c >/seen; echo here >/c/left\n',
      });
      await built(['-t', 'mounted']);
      expect(await output('mounted', 'cat', '/seen')).toBe('');
      await daemon.ok('tare', ['builder', 'cache', 'export', 'things', '-o', `${place}/things.tar`]);
      expect(await must(['tar', '-xOf', `${place}/things.tar`, 'left'])).toBe('here');
      await daemon.ok('tare', ['builder', 'prune', '-af']);
      const { code, stderr } = await daemon.tare('builder', 'cache', 'export', 'things');
      expect([code, stderr]).toEqual([1, expect.stringContaining('No such cache mount: things')]);
      await daemon.ok('tare', ['builder', 'cache', 'import', 'things', '-i', `${place}/things.tar`]);
      await built(['-t', 'mounted', '--no-cache']);
      expect(await output('mounted', 'cat', '/seen')).toBe('left');
    },
    TIMEOUT,
  );

  test(
    'builder du and prune: what there is, within a budget, and what is used stays',
    async () => {
      await daemon.ok('tare', ['builder', 'prune', '-af']);
      write({
        Dockerfile:
          'FROM busybox AS a\nRUN head -c 3000000 /dev/urandom >/big\nFROM busybox\nRUN echo small >/small\nCOPY --from=a /big /dev/null\n',
      });
      writeFileSync(
        join(context, 'Dockerfile'),
        'FROM busybox AS a\nRUN head -c 3000000 /dev/urandom >/big\nFROM busybox\nRUN --mount=from=a,target=/a wc -c </a/big >/size\n',
      );
      await built(['-t', 'du']);
      const listed = await daemon.ok('tare', ['builder', 'du']);
      expect(listed).toMatch(/^CACHE ID +CACHE TYPE +SIZE/);
      expect(listed).toMatch(/regular +3\.\d+MB .* \[a 2\/2\] RUN head/);
      expect(listed).toMatch(/source\.local .* local source for \/tmp\/tare-outputs-/);
      const df = JSON.parse(await (await daemon.request('GET', '/system/df?type=build-cache')).text());
      expect(df.BuildCache.map((record: { Type: string }) => record.Type)).toContain('regular');
      const kept = await daemon.ok('tare', ['builder', 'prune', '-f', '--keep-storage', '10m']);
      expect(kept).toContain('Total reclaimed space: 0B');
      const old = await daemon.ok('tare', ['builder', 'prune', '-af', '--filter', 'until=1h']);
      expect(old).toContain('Total reclaimed space: 0B');
      expect(await daemon.ok('tare', ['builder', 'prune', '-f', '--max-used-space', '1m'])).toMatch(
        /reclaimed space: 3\.\d+MB/,
      );
      expect(await daemon.ok('tare', ['builder', 'du'])).not.toContain('RUN head');
      expect(existsSync(daemon.dataRoot)).toBe(true);
    },
    TIMEOUT,
  );
});

test.skipIf(Bun.which('ssh-agent') === null || Bun.which('ssh-add') === null)(
  '--ssh: the agent of the environment, and keys that an agent of the build’s own holds',
  async () => {
    const key = join(place, 'key');
    await must(['ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', 'of-the-test', '-f', key]);
    const socket = join(place, 'agent');
    const agent = Bun.spawn(['ssh-agent', '-D', '-a', socket], { stdout: 'ignore', stderr: 'ignore' });
    try {
      await until('the agent listens', async () => existsSync(socket));
      write({
        Dockerfile:
          'FROM busybox\nRUN --mount=type=ssh,required=true test -S "$SSH_AUTH_SOCK" && echo yes >/had\n',
      });
      await built(['-t', 'ssh', '--no-cache', '--ssh', 'default'], { SSH_AUTH_SOCK: socket });
      expect(await output('ssh', 'cat', '/had')).toBe('yes');
      await built(['-t', 'ssh', '--no-cache', '--ssh', `default=${key}`]);
      expect(await output('ssh', 'cat', '/had')).toBe('yes');
    } finally {
      agent.kill();
      await agent.exited;
    }
    const { code, stderr } = await build(['--ssh', 'default'], { SSH_AUTH_SOCK: '' });
    expect([code, stderr]).toEqual([1, expect.stringContaining('invalid empty ssh agent socket')]);
  },
  TIMEOUT,
);
