/** Binds, tmpfs, parts of volumes and images in containers: what `-v`, `--mount` and `--volumes-from` make. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { must, run } from '../support/command.ts';
import { CLIENTS, startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
/** A folder of the host for a test. */
let made = 0;
function folder(files: Record<string, string> = {}): string {
  const path = join(daemon.root, `host-${++made}`);
  mkdirSync(path);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(path, name, '..'), { recursive: true });
    writeFileSync(join(path, name), text);
  }
  return path;
}
/** Runs `sh -c script` in a container of its own. */
const sh = (script: string, ...args: string[]) =>
  daemon.tare('run', '--rm', ...args, 'busybox', 'sh', '-c', script);
const output = async (script: string, ...args: string[]) => {
  const { code, stdout, stderr } = await sh(script, ...args);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  return stdout.trimEnd();
};
const shelf = () => readdirSync(join(daemon.execRoot, 'm'));

beforeAll(async () => {
  daemon = await startDaemon();
}, 120_000);

afterAll(async () => {
  await daemon?.stop();
}, 120_000);

describe.each(CLIENTS)('%s: a source that is not there', (client) => {
  const refusal = (path: string) =>
    `invalid mount config for type "bind": bind source path does not exist: ${path}`;

  test('-v makes it, --mount refuses it unless it is asked to', async () => {
    const base = folder();
    await daemon.ok(client, ['run', '--rm', '-v', `${base}/a/b:/x`, 'busybox', 'touch', '/x/f']);
    expect(statSync(`${base}/a/b/f`).isFile()).toBe(true);
    const refused = await daemon.client(client, [
      'run',
      '--rm',
      '--mount',
      `type=bind,src=${base}/c,dst=/x`,
      'busybox',
      'true',
    ]);
    expect(refused.code).toBe(125);
    expect(refused.stderr).toContain(refusal(`${base}/c`));
    expect(existsSync(`${base}/c`)).toBe(false);
  });

  test('it vanishes between create and start', async () => {
    const base = folder({ 'a/f': '', 'b/f': '' });
    const bind = await daemon.ok(client, ['create', '-v', `${base}/a:/x`, 'busybox', 'ls', '/x']);
    const mount = await daemon.ok(client, [
      'create',
      '--mount',
      `type=bind,src=${base}/b,dst=/x`,
      'busybox',
      'true',
    ]);
    for (const name of ['a', 'b']) rmSync(join(base, name), { recursive: true });
    expect(await daemon.ok(client, ['start', '-a', bind])).toBe('');
    const failed = await daemon.client(client, ['start', mount]);
    expect(failed.stderr).toContain(refusal(`${base}/b`));
    expect(existsSync(`${base}/b`)).toBe(false);
    mkdirSync(`${base}/b`);
    await daemon.ok(client, ['start', mount]);
    await daemon.ok(client, ['rm', '-f', bind, mount]);
  });
});

test('bind-create-src makes it', async () => {
  const base = folder();
  await output('touch /x/f', '--mount', `type=bind,src=${base}/new,dst=/x,bind-create-src`);
  expect(existsSync(`${base}/new/f`)).toBe(true);
});

test('files, directories, read-only, labels; modes that there are not', async () => {
  const base = folder({ file: 'text', 'dir/inner': 'more' });
  expect(await output('cat /f /d/inner', '-v', `${base}/file:/f:ro,z`, '-v', `${base}/dir:/d:Z`)).toBe(
    'textmore',
  );
  expect((await sh('echo > /f', '-v', `${base}/file:/f:ro`)).stderr).toContain('Read-only file system');
  await output('echo new > /f', '-v', `${base}/file:/f`);
  expect(readFileSync(`${base}/file`, 'utf8')).toBe('new\n');
  expect((await sh('true', '-v', `${base}:/x:U`)).stderr).toContain('invalid mode: U');
});

test('a mount over a directory hides it, and without the mount it is back', async () => {
  const base = folder({ mine: '' });
  const id = await daemon.ok('tare', ['run', '-d', 'busybox', 'sh', '-c', 'mkdir /dir; touch /dir/old']);
  await daemon.ok('tare', ['wait', id]);
  await daemon.ok('tare', ['commit', id, 'with-dir']);
  const ls = (...args: string[]) => daemon.ok('tare', ['run', '--rm', ...args, 'with-dir', 'ls', '/dir']);
  expect(await ls('-v', `${base}:/dir`)).toBe('mine');
  expect(await ls('--tmpfs', '/dir')).toBe('');
  expect(await ls()).toBe('old');
  await daemon.ok('tare', ['rm', id]);
});

test.each([
  ['', 'inner', 'no'],
  ['enabled', 'inner', 'no'],
  ['writable', 'inner', 'yes'],
  ['readonly', 'inner', 'no'],
  ['disabled', '', 'no'],
])(
  'bind-recursive=%s of a read-only bind: what is mounted below shows "%s", writable: %s',
  async (mode, seen, writes) => {
    const base = folder({ 'sub/hidden': '' });
    await must(['mount', '-t', 'tmpfs', 'none', join(base, 'sub')]);
    try {
      writeFileSync(join(base, 'sub', 'inner'), '');
      const recursion = mode === '' ? [] : [`bind-recursive=${mode}`];
      const mount = [
        'type=bind',
        `src=${base}`,
        'dst=/b',
        'ro',
        'bind-propagation=rprivate',
        ...recursion,
      ].join(',');
      const script =
        'ls /b/sub; touch /b/x 2>/dev/null && echo OUTER; touch /b/sub/x 2>/dev/null && echo yes || echo no';
      expect((await output(script, '--mount', mount)).split('\n')).toEqual([seen || 'hidden', writes]);
      expect(
        (await daemon.ok('docker', ['run', '--rm', '--mount', mount, 'busybox', 'sh', '-c', script])).split(
          '\n',
        )[0],
      ).toBe(seen || 'hidden');
      // Taking our copy away has not taken the original away.
      expect(readdirSync(join(base, 'sub'))).toContain('inner');
    } finally {
      await must(['umount', join(base, 'sub')]);
    }
    expect(shelf()).toEqual([]);
  },
);

test('propagation: shared and slave, and a source that shares nothing', async () => {
  const base = folder();
  await must(['mount', '-t', 'tmpfs', 'none', base]);
  try {
    await must(['mount', '--make-private', base]);
    mkdirSync(join(base, 'sub'));
    const started = (kind: string) =>
      daemon.tare('run', '-d', '-v', `${base}/sub:/s:${kind}`, 'busybox', 'sleep', '300');
    expect((await started('rshared')).stderr).toContain(
      `path ${base}/sub is mounted on ${base} but it is not a shared mount`,
    );
    expect((await started('slave')).stderr).toContain(
      `path ${base}/sub is mounted on ${base} but it is not a shared or slave mount`,
    );
    await must(['mount', '--make-shared', base]);
    for (const kind of ['rshared', 'rslave', 'rprivate']) {
      const { stdout, stderr } = await started(kind);
      expect(stderr).toBe('');
      mkdirSync(join(base, 'sub', 'later'), { recursive: true });
      await must(['mount', '-t', 'tmpfs', 'none', join(base, 'sub', 'later')]);
      try {
        const table = await daemon.ok('tare', ['exec', stdout.trim(), 'cat', '/proc/self/mountinfo']);
        expect([kind, table.includes(' /s/later ')]).toEqual([kind, kind !== 'rprivate']);
      } finally {
        await must(['umount', join(base, 'sub', 'later')]);
      }
      await daemon.ok('tare', ['rm', '-f', stdout.trim()]);
    }
    await daemon.ok('tare', ['container', 'prune', '-f']);
  } finally {
    await run(['umount', '-R', base]);
  }
}, 60_000);

test("a bind that shows the engine's own mounts follows the host", async () => {
  const id = await daemon.ok('docker', [
    'create',
    '-v',
    '/:/host:ro',
    'busybox',
    'ls',
    `/host${daemon.root}`,
  ]);
  const propagation = '{{range .Mounts}}{{.Propagation}}{{end}}';
  expect(await daemon.ok('docker', ['inspect', '-f', propagation, id])).toBe('rslave');
  expect(await daemon.ok('docker', ['start', '-a', id])).toContain('data');
  await daemon.ok('docker', ['rm', id]);
  const refused = await sh(
    'true',
    '--mount',
    `type=bind,src=${daemon.dataRoot},dst=/d,bind-propagation=private`,
  );
  expect(refused.stderr).toContain(
    'must use either propagation mode "rslave" or "rshared" when mount source is within',
  );
});

test('bind-idmap: what the container writes belongs to the user of the host', async () => {
  const base = folder();
  await must(['chown', '1234:1235', base]);
  const mount = (more: string) => ['--mount', `type=bind,src=${base},dst=/b,${more}`];
  expect(await output('touch /b/root; stat -c "%u:%g" /b /b/root', ...mount('bind-idmap'))).toBe('0:0\n0:0');
  await output('touch /b/other', '-u', '77:78', ...mount('bind-idmap=1234:1235'));
  for (const name of ['root', 'other']) {
    const { uid, gid } = statSync(join(base, name));
    expect([name, uid, gid]).toEqual([name, 1234, 1235]);
  }
  // No user of the container becomes root on the host: there 1234 is nobody.
  expect((await sh('chown 1234 /b/root', ...mount('bind-idmap'))).stderr).toContain('Value too large');
  expect(statSync(join(base, 'root')).uid).toBe(1234);
  expect((await sh('true', ...mount('bind-idmap=me'))).stderr).toContain(
    'bind-idmap must be "owner" or UID:GID',
  );
  expect(shelf()).toEqual([]);
});

describe('tmpfs', () => {
  test('size and mode; nothing of it reaches the disk', async () => {
    const mount = ['--mount', 'type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=0700'];
    expect(
      await output('stat -c %a /t; grep " /t " /proc/self/mountinfo | grep -c size=1024k', ...mount),
    ).toBe('700\n1');
    const full = await sh('dd if=/dev/zero of=/t/f bs=1M count=2', ...mount);
    expect(full.stderr).toContain('No space left on device');
    const id = await daemon.ok('tare', [
      'run',
      '-d',
      '--tmpfs',
      '/u:size=20m,exec',
      'busybox',
      'sh',
      '-c',
      'dd if=/dev/urandom of=/u/secret-file bs=1M count=8; sleep 300',
    ]);
    expect(
      await daemon.ok('tare', [
        'exec',
        id,
        'sh',
        '-c',
        'while [ ! -s /u/secret-file ]; do sleep 0.1; done; ls /u',
      ]),
    ).toBe('secret-file');
    const found = await must(['find', daemon.dataRoot, '-xdev', '-name', 'secret-file']);
    expect(found).toBe('');
    const { SizeRw } = (await (await daemon.request('GET', `/containers/${id}/json?size=1`)).json()) as {
      SizeRw: number;
    };
    expect(SizeRw).toBeLessThan(1_000_000);
    await daemon.ok('tare', ['rm', '-f', id]);
  });

  test('options that there are not', async () => {
    expect((await sh('true', '--tmpfs', '/t:speed=9')).stderr).toContain('invalid tmpfs option ["speed=9"]');
  });
});

describe('content of the image', () => {
  beforeAll(async () => {
    const tree = folder({ 'data/file': 'x', 'data/deep/er': 'y' });
    await must([
      'sh',
      '-ec',
      `cd ${tree}/data && chown 12:34 . deep file && chmod 1750 . && chmod 4711 file && ln -s file link && setfattr -n user.colour -v blue file`,
    ]);
    symlinkSync(`/../../../../../../../../../..${daemon.root}`, join(tree, 'out'));
    symlinkSync('/etc', join(tree, 'inside'));
    mkdirSync(join(tree, 'etc'));
    await must([
      'sh',
      '-ec',
      `cp /bin/busybox ${tree}/busybox; cd ${tree}; tar --xattrs --xattrs-include='*' -cf ${tree}.tar .`,
    ]);
    await daemon.ok('docker', ['import', `${tree}.tar`, 'content']);
  });
  const create = (...args: string[]) =>
    daemon.ok('docker', ['create', ...args, 'content', '/busybox', 'true']);
  const where = (name: string) => join(daemon.dataRoot, 'volumes', name, '_data');

  test('is copied to a new volume with owners, modes, links and attributes', async () => {
    const id = await create('-v', 'filled:/data');
    expect(
      await must([
        'sh',
        '-ec',
        `cd ${where('filled')} && stat -c '%n %u:%g %a' . deep file && readlink link && getfattr --only-values -n user.colour file`,
      ]),
    ).toBe('. 12:34 1750\ndeep 12:34 755\nfile 12:34 4711\nfile\nblue');
    // What is there stays.
    rmSync(join(where('filled'), 'file'));
    await daemon.ok('tare', ['rm', id]);
    await daemon.ok('tare', ['rm', await create('-v', 'filled:/data')]);
    expect(readdirSync(where('filled')).sort()).toEqual(['deep', 'link']);
    await daemon.ok('tare', ['volume', 'rm', 'filled']);
  });

  test.each([
    ['-v', 'plain:/data:nocopy'],
    ['--mount', 'type=volume,src=plain,dst=/data,volume-nocopy'],
  ])('is not copied with %s %s', async (flag, value) => {
    const id = await create(flag, value);
    expect(readdirSync(where('plain'))).toEqual([]);
    await daemon.ok('tare', ['rm', id]);
    await daemon.ok('tare', ['volume', 'rm', 'plain']);
  });

  test('a link in place of a target leads nowhere but into the container', async () => {
    const source = folder({ marker: 'm' });
    const inRoot = (args: string[], ...command: string[]) =>
      daemon.tare('run', '--rm', ...args, 'content', '/busybox', ...command);
    const before = readdirSync(daemon.root).sort();
    // An absolute link counts from the container's root.
    expect((await inRoot(['-v', `${source}:/inside`], 'cat', '/etc/marker')).stdout).toBe('m');
    // A link to what is not there in the container, though it is on the host: it is made in the container.
    for (const [from, to, seen] of [
      [source, '/out/target', '/target/marker'],
      [`${source}/marker`, '/out/file', '/file'],
    ]) {
      const inside = await inRoot(['-v', `${from}:${to}`], 'cat', `${daemon.root}${seen}`);
      expect(inside).toEqual({ code: 0, stdout: 'm', stderr: '' });
    }
    expect(readdirSync(daemon.root).sort()).toEqual(before);
    expect(daemon.traces().filter((line) => line.startsWith('mount'))).toEqual([]);
  });

  test('type=image shows the image, or a part of it, read-only', async () => {
    const mount = (more = '') => ['--mount', `type=image,src=content,dst=/img${more}`];
    expect(await output('cat /img/data/deep/er', ...mount())).toBe('y');
    expect(
      await daemon.ok('docker', [
        'run',
        '--rm',
        ...mount(',image-subpath=data/deep'),
        'busybox',
        'ls',
        '/img',
      ]),
    ).toBe('er');
    expect((await sh('touch /img/x', ...mount())).stderr).toContain('Read-only file system');
    expect((await sh('true', ...mount(',image-subpath=out'))).stderr).toContain(
      'path concatenation escapes the base directory',
    );
    expect((await sh('true', '--mount', 'type=image,src=nothing,dst=/img')).stderr).toContain(
      'No such image: nothing',
    );
    // Whose image it is, is in use.
    await daemon.ok('tare', ['tag', 'content', 'second:1']);
    const id = await daemon.ok('docker', [
      'run',
      '-d',
      '--mount',
      'type=image,src=second:1,dst=/img',
      'busybox',
      'sleep',
      '300',
    ]);
    await daemon.ok('tare', ['rmi', 'second:1']);
    expect((await daemon.tare('rmi', 'content')).stderr).toContain('conflict');
    await daemon.kill9();
    await daemon.start();
    await daemon.ok('tare', ['restart', '-t', '0', id]);
    expect(await daemon.ok('tare', ['exec', id, 'cat', '/img/data/file'])).toBe('x');
    await daemon.ok('tare', ['rm', '-f', id]);
  }, 60_000);
});

describe('volume-subpath', () => {
  const mount = (subpath: string) => ['--mount', `type=volume,src=parts,dst=/p,volume-subpath=${subpath}`];

  test('is a directory or a file of the volume', async () => {
    await output(
      'mkdir -p /v/a/b; echo 1 > /v/a/b/f; ln -s a/b /v/in; ln -s / /v/abs; ln -s ../.. /v/up',
      '-v',
      'parts:/v',
    );
    expect(await output('cat /p/f', ...mount('a/b'))).toBe('1');
    expect(await output('cat /p', ...mount('a/b/f'))).toBe('1');
    expect(await output('cat /p/f', ...mount('in'))).toBe('1');
    expect(await daemon.ok('docker', ['run', '--rm', ...mount('a'), 'busybox', 'ls', '/p'])).toBe('b');
  });

  test.each([
    ['../x', 'subpath must be a relative path within the volume'],
    ['/x', 'subpath must be a relative path within the volume'],
    ['none', 'no such file or directory'],
    ['abs', 'path concatenation escapes the base directory'],
    ['up', 'path concatenation escapes the base directory'],
    ['abs/etc', 'path concatenation escapes the base directory'],
  ])('%s is refused: %s', async (subpath, words) => {
    const refused = await sh('ls /p', ...mount(subpath));
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain(words);
    expect(shelf()).toEqual([]);
  });

  test('a link that changes all the time never leads out', async () => {
    const volume = join(daemon.dataRoot, 'volumes', 'parts', '_data');
    const swapper = Bun.spawn([
      'sh',
      '-c',
      `cd ${volume}; mkdir real; touch real/ok; while :; do ln -sfn / swap; rm -f swap; ln -sfn real swap; done`,
    ]);
    try {
      for (let round = 0; round < 8; round++) {
        const { stdout, stderr } = await sh('ls /p', ...mount('swap'));
        if (stdout !== '') expect(stdout).toBe('ok\n');
        else expect(stderr).toMatch(/escapes the base|no such file/);
      }
    } finally {
      swapper.kill();
      await swapper.exited;
    }
  }, 60_000);
});

test('--volumes-from: modes and chains', async () => {
  const base = folder({ f: 'bind' });
  const named = ['--name', 'first', '-v', 'chain:/v', '-v', `${base}:/b:ro`, '-v', '/anonymous'];
  await daemon.ok('docker', ['run', ...named, 'busybox', 'sh', '-c', 'echo 1 > /v/f; echo 2 > /anonymous/f']);
  await daemon.ok('docker', ['create', '--name', 'second', '--volumes-from', 'first:ro', 'busybox', 'true']);
  expect(await output('cat /v/f /anonymous/f /b/f', '--volumes-from', 'second')).toBe('1\n2\nbind');
  expect((await sh('touch /v/x', '--volumes-from', 'second')).stderr).toContain('Read-only file system');
  await output('touch /v/x', '--volumes-from', 'first:rw');
  expect((await sh('touch /b/x', '--volumes-from', 'first:rw')).stderr).toContain('Read-only file system');
  // One's own mount goes before an inherited one.
  expect(await output('ls /v', '--volumes-from', 'first', '--tmpfs', '/v')).toBe('');
  expect((await sh('true', '--volumes-from', 'nobody')).stderr).toContain('No such container: nobody');
  expect((await sh('true', '--volumes-from', 'first:rx')).stderr).toContain('invalid mode');
  // The anonymous volume lives as long as somebody has it.
  await daemon.ok('docker', ['rm', '-v', 'first']);
  expect(await output('cat /anonymous/f', '--volumes-from', 'second')).toBe('2');
  await daemon.ok('docker', ['rm', '-v', 'second']);
});

test('cp of a container that does not run sees its mounts as it would', async () => {
  await daemon.ok('tare', ['volume', 'create', '-o', 'type=tmpfs', '-o', 'device=tmpfs', 'memory']);
  const base = folder({ 'sub/hidden': '' });
  await output('mkdir -p /v/part; echo 1 > /v/part/f', '-v', 'parted:/v');
  const id = await daemon.ok('tare', [
    'create',
    ...['-v', 'memory:/m', '--mount', `type=bind,src=${base},dst=/b,bind-recursive=disabled,bind-idmap`],
    ...['--mount', 'type=volume,src=parted,dst=/p,volume-subpath=part', 'busybox', 'true'],
  ]);
  const out = join(daemon.root, 'copied');
  await daemon.ok('docker', ['cp', `${id}:/p/f`, out]);
  expect(readFileSync(out, 'utf8')).toBe('1\n');
  await daemon.ok('docker', ['cp', out, `${id}:/b/new`]);
  expect(readFileSync(join(base, 'new'), 'utf8')).toBe('1\n');
  await daemon.ok('docker', ['cp', out, `${id}:/m/new`]);
  expect(shelf()).toEqual([]);
  expect(daemon.traces().filter((line) => line.startsWith('mount'))).toEqual([]);
  await daemon.ok('tare', ['rm', '-f', id]);
});
