import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLIENTS, startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

describe.each(CLIENTS)('%s run', (client) => {
  const out = (...args: string[]) => daemon.ok(client, args);
  const sh = (script: string, ...flags: string[]) =>
    out('run', '--rm', ...flags, 'busybox', 'sh', '-c', script);

  test('gives the output, stdout and stderr apart', async () => {
    const outcome = await daemon.client(client, [
      'run',
      '--rm',
      'busybox',
      'sh',
      '-c',
      'echo out; echo err >&2',
    ]);
    expect(outcome).toEqual({ code: 0, stdout: 'out\n', stderr: 'err\n' });
  });

  test('passes the exit code through', async () => {
    for (const code of [0, 1, 3, 255]) {
      expect((await daemon.client(client, ['run', '--rm', 'busybox', 'sh', '-c', `exit ${code}`])).code).toBe(
        code,
      );
    }
    const killed = await daemon.client(client, [
      'run',
      '--rm',
      '--init',
      'busybox',
      'sh',
      '-c',
      'kill -9 $$',
    ]);
    expect(killed.code).toBe(137);
  });

  test('125 for a fault of the engine, 126 for what cannot be executed, 127 for what is not there', async () => {
    const name = `codes-${client}`;
    const bad = await daemon.client(client, ['run', '--rm', '--no-such-flag', 'busybox']);
    expect(bad.code).toBe(125);
    const directory = await daemon.client(client, ['run', '--name', name, 'busybox', '/etc']);
    expect(directory.code).toBe(126);
    expect(directory.stderr).toMatch(/permission denied|is a directory/);
    await out('rm', name);
    const missing = await daemon.client(client, ['run', '--name', name, 'busybox', 'no-such-program']);
    expect(missing.code).toBe(127);
    expect(missing.stderr).toContain('no-such-program');
    expect(missing.stderr).toContain('executable file not found in $PATH');
    expect(await out('inspect', '-f', '{{.State.ExitCode}} {{.State.Status}}', name)).toBe('127 created');
    await out('rm', name);
  });

  test('stdin that is piped in arrives whole, and its end too', async () => {
    const text = 'line\n'.repeat(40_000);
    const outcome = await daemon.client(client, ['run', '--rm', '-i', 'busybox', 'wc', '-c'], {
      input: text,
    });
    expect(outcome.stdout.trim()).toBe(String(text.length));
    // Half-close: output goes on after the end of the input.
    const late = await daemon.client(
      client,
      ['run', '--rm', '-i', 'busybox', 'sh', '-c', 'cat; sleep 0.3; echo after'],
      {
        input: 'before\n',
      },
    );
    expect(late.stdout).toBe('before\nafter\n');
  });

  test('bytes are not touched', async () => {
    const bytes = Uint8Array.from({ length: 65_536 }, (_, i) => (i * 7 + (i >> 8)) & 255);
    const outcome = await daemon.client(client, ['run', '--rm', '-i', 'busybox', 'sha256sum'], {
      input: bytes,
    });
    expect(outcome.stdout).toStartWith(new Bun.CryptoHasher('sha256').update(bytes).digest('hex'));
  });

  test('a lot of output arrives whole', async () => {
    const outcome = await daemon.client(client, ['run', '--rm', 'busybox', 'seq', '1', '200000']);
    expect(outcome.code).toBe(0);
    expect(outcome.stdout.length).toBe(1_288_895);
    expect(outcome.stdout).toEndWith('199999\n200000\n');
  });

  test('-it: a terminal with a size that changes', async () => {
    const terminal = daemon.terminal(client, ['run', '--rm', '-it', 'busybox', 'sh'], {
      columns: 91,
      rows: 33,
    });
    await terminal.waitFor('# ');
    terminal.write('tty; stty size; echo a-$((1+1))\r');
    await terminal.waitFor('a-2\r\n');
    expect(terminal.output()).toContain('/dev/pts/0');
    expect(terminal.output()).toContain('33 91');
    terminal.resize(111, 44);
    await Bun.sleep(300);
    terminal.write('stty size\r');
    await terminal.waitFor('44 111');
    terminal.write('exit 7\r');
    expect(await terminal.exited()).toBe(7);
  });

  test('-it: Ctrl-C reaches the program', async () => {
    const script = 'trap "echo caught; exit 9" INT; echo ready; while :; do sleep 0.1; done';
    const terminal = daemon.terminal(client, ['run', '--rm', '-it', 'busybox', 'sh', '-c', script]);
    await terminal.waitFor('ready');
    terminal.write('\x03');
    await terminal.waitFor('caught');
    expect(await terminal.exited()).toBe(9);
  });

  test('-t without a terminal on stdin is refused in Docker words', async () => {
    const outcome = await daemon.client(client, ['run', '--rm', '-it', 'busybox', 'true'], { input: '' });
    expect(outcome.code).not.toBe(0);
    expect(outcome.stderr).toContain('the input device is not a TTY');
  });

  test('environment: -e, --env-file, and what the image gives', async () => {
    const file = join(daemon.root, `env-${client}`);
    writeFileSync(file, '# a comment\nFROM_FILE=1 two\nTARE_PASSED\n');
    const flags = ['-e', 'A=1', '-e', 'EMPTY=', '--env-file', file];
    const text = await daemon.ok(client, ['run', '--rm', ...flags, 'busybox', 'env'], {
      env: { TARE_PASSED: 'yes' },
    });
    const lines = text.split('\n');
    for (const line of ['A=1', 'EMPTY=', 'FROM_FILE=1 two', 'TARE_PASSED=yes', 'HOME=/root'])
      expect(lines).toContain(line);
    expect(lines).toContain('PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin');
  });

  test('-w, -u, -h, --entrypoint, --label', async () => {
    expect(await sh('pwd', '-w', '/made/on/the/way')).toBe('/made/on/the/way');
    expect(await sh('id -u; id -g', '-u', 'www-data')).toBe('33\n33');
    expect(await sh('id -u; id -g', '-u', '1000:2000')).toBe('1000\n2000');
    expect(await sh('id -u; id -g', '-u', 'nobody:adm')).toBe('65534\n4');
    expect(await sh('hostname; cat /etc/hostname', '-h', 'a-name')).toBe('a-name\na-name');
    expect(await out('run', '--rm', '--entrypoint', 'echo', 'busybox', 'x', 'y')).toBe('x y');
    const id = await out('create', '--label', 'a=b', '--label', 'c', 'busybox');
    expect(await out('inspect', '-f', '{{json .Config.Labels}}', id)).toBe('{"a":"b","c":""}');
    await out('rm', id);
  });

  test('--init, --read-only, --tmpfs', async () => {
    expect(await sh('cat /proc/1/comm; true', '--init')).not.toBe('sh');
    expect(await sh('cat /proc/1/comm; true')).toBe('sh');
    const readOnly = await daemon.client(client, ['run', '--rm', '--read-only', 'busybox', 'touch', '/x']);
    expect(readOnly.stderr).toContain('Read-only file system');
    expect(await sh("grep ' /scratch tmpfs ' /proc/mounts", '--tmpfs', '/scratch:size=1m')).toMatch(
      /nosuid,nodev,noexec.*size=1024k/,
    );
    expect(await sh('touch /scratch/a && echo ok', '--read-only', '--tmpfs', '/scratch')).toBe('ok');
  });

  test('-v and --mount: binds and named volumes', async () => {
    const host = join(daemon.root, `bind-${client}`);
    const volume = `volume-${client}`;
    expect(await sh('echo text > /host/file && ls /host', '-v', `${host}:/host`)).toBe('file');
    expect(await Bun.file(join(host, 'file')).text()).toBe('text\n');
    const readOnly = await daemon.client(client, [
      'run',
      '--rm',
      '-v',
      `${host}:/host:ro`,
      'busybox',
      'touch',
      '/host/x',
    ]);
    expect(readOnly.stderr).toContain('Read-only file system');
    await sh('echo kept > /data/file', '-v', `${volume}:/data`);
    expect(await sh('cat /data/file', '--mount', `source=${volume},target=/data`)).toBe('kept');
    expect(await out('volume', 'ls', '-q')).toContain(volume);
    expect(await out('volume', 'inspect', '-f', '{{.Driver}}', volume)).toBe('local');
    await out('volume', 'rm', volume);
    const missing = await daemon.client(client, [
      'run',
      '--rm',
      '--mount',
      `type=bind,source=${host}-no,target=/x`,
      'busybox',
    ]);
    expect(missing.code).toBe(125);
    expect(missing.stderr).toContain('bind source path does not exist');
  });

  test('a new named volume takes what the image has there; --rm takes anonymous ones away', async () => {
    const volume = `filled-${client}`;
    expect(await sh('ls /v', '-v', `${volume}:/v`)).toBe('');
    expect(
      await sh(
        'test -f /x/passwd && echo filled',
        '-v',
        `filled-etc-${client}:/etc`,
        '-v',
        `filled-etc-${client}:/x`,
      ),
    ).toBe('filled');
    await out('volume', 'rm', volume, `filled-etc-${client}`);
    const before = await out('volume', 'ls', '-q');
    await sh('true', '-v', '/anonymous');
    expect(await out('volume', 'ls', '-q')).toBe(before);
  });

  test('--net none, host and container:ID', async () => {
    expect(await sh('ls /sys/class/net', '--net', 'none')).toBe('lo');
    const id = await out('run', '-d', 'busybox', 'sleep', '1000');
    const address = (script: string, ...flags: string[]) => sh(script, ...flags);
    const own = await out('exec', id, 'cat', '/sys/class/net/eth0/address');
    expect(await address('cat /sys/class/net/eth0/address', '--net', `container:${id}`)).toBe(own);
    expect(await sh('readlink /proc/self/ns/net', '--net', 'host')).toBe(
      (await daemon.inNetwork(['readlink', '/proc/self/ns/net'])).stdout.trim(),
    );
    await out('rm', '-f', id);
  });

  test('-d prints the full id; --name is taken; the same name again is refused', async () => {
    const name = `named-${client}`;
    const id = await out('run', '-d', '--name', name, 'busybox', 'sleep', '1000');
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    const again = await daemon.client(client, ['run', '-d', '--name', name, 'busybox']);
    expect(again.code).toBe(125);
    expect(again.stderr).toContain(`The container name "/${name}" is already in use by container "${id}"`);
    await out('rm', '-f', name);
  });
});
