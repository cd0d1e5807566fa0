/** Flags of `run`, `create` and `exec` that no other file is about. Held against dockerd. */
import { afterAll, beforeAll, describe, expect, test } from 'bun:test';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLIENTS, REFERENCE, startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
let idle: string;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
  idle = await daemon.ok('tare', ['run', '-d', 'busybox', 'sleep', '1000']);
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const out = (...args: string[]) => daemon.ok('tare', args);

describe.each(CLIENTS)('%s', (client) => {
  test('-a chooses the streams', async () => {
    const both = ['busybox', 'sh', '-c', 'cat; echo out; echo err >&2'];
    const run = (flags: string[]) =>
      daemon.client(client, ['run', '--rm', ...flags, ...both], { input: 'in\n' });
    expect(await run(['-a', 'stdout'])).toMatchObject({ code: 0, stdout: 'out\n', stderr: '' });
    expect(await run(['-a', 'stderr'])).toMatchObject({ stderr: 'err\n' });
    expect(await run(['-i', '-a', 'stdin', '-a', 'stdout'])).toMatchObject({
      stdout: 'in\nout\n',
      stderr: '',
    });
    const wrong = await run(['-a', 'other']);
    expect(wrong.stderr).toContain('valid streams are STDIN, STDOUT and STDERR');
  });

  test('--detach-keys of run and exec leave the process running', async () => {
    const name = `left-${client}`;
    const shell = ['busybox', 'sh', '-c', 'echo ready; cat'];
    const run = daemon.terminal(client, [
      'run',
      '-it',
      '--name',
      name,
      '--detach-keys',
      'ctrl-x,y',
      ...shell,
    ]);
    await run.waitFor('ready');
    run.write('\x18y');
    expect(await run.exited()).toBe(0);
    expect(await daemon.ok(client, ['inspect', '-f', '{{.State.Running}}', name])).toBe('true');
    await daemon.ok(client, ['rm', '-f', name]);
    const exec = daemon.terminal(client, ['exec', '-it', '--detach-keys', 'a,b', idle, ...shell.slice(1)]);
    await exec.waitFor('ready');
    exec.write('ab');
    await exec.exited();
    expect(await daemon.ok(client, ['top', idle])).toContain('cat');
    await daemon.ok(client, ['exec', idle, 'killall', 'cat']);
  });

  test('--use-api-socket gives the socket and the logins of the client', async () => {
    const folder = daemon.env().DOCKER_CONFIG!;
    const inside = '/run/secrets/docker/config.json';
    const create = (...flags: string[]) =>
      daemon.ok(client, [
        'create',
        '--use-api-socket',
        ...flags,
        'busybox',
        'sh',
        '-c',
        `cat ${inside}; echo; stat -c %a ${inside}`,
      ]);
    // Without a login there is no file, and no variable that leads to it.
    const bare = await create();
    expect(await daemon.ok(client, ['inspect', '-f', '{{json .Config.Env}}', bare])).not.toContain(
      'DOCKER_CONFIG',
    );
    const auths = { 'localhost:5000': { auth: btoa('me:secret') }, 'other.test': { auth: btoa('you:p:w') } };
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ auths, detachKeys: 'ctrl-x' }));
    try {
      const id = await create('-e', 'A=1');
      const told = await daemon.ok(client, ['start', '-a', id]);
      expect(JSON.parse(told.slice(0, told.lastIndexOf('\n')))).toEqual({ auths });
      expect(told).toEndWith('\n600');
      const own = await create('-e', 'DOCKER_CONFIG=/own');
      expect((await daemon.client(client, ['start', '-a', own])).stderr).toContain('No such file');
      const env = await daemon.ok(client, ['inspect', '-f', '{{json .Config.Env}}', id, own]);
      expect(env.match(/DOCKER_CONFIG=[^"]*/g)).toEqual([
        'DOCKER_CONFIG=/run/secrets/docker',
        'DOCKER_CONFIG=/own',
      ]);
    } finally {
      rmSync(join(folder, 'config.json'));
    }
    const sockets = [
      'run',
      '--rm',
      '--use-api-socket',
      'busybox',
      'stat',
      '-c',
      '%F %i',
      '/var/run/docker.sock',
    ];
    expect(await daemon.ok(client, sockets)).toBe(`socket ${statSync(daemon.socket).ino}`);
  });

  test('--sig-proxy passes signals on, --sig-proxy=false does not', async () => {
    const script = 'trap "echo got; exit 9" INT; echo ready; while :; do sleep 0.1; done';
    const passed = daemon.open(client, ['run', '--rm', '--sig-proxy', 'busybox', 'sh', '-c', script]);
    await passed.waitFor('ready');
    passed.signal('SIGINT');
    expect(await passed.exited()).toBe(9);
    const name = `alone-${client}`;
    const flags = ['run', '--name', name, '--sig-proxy=false', 'busybox', 'sh', '-c', script];
    const kept = daemon.open(client, flags);
    await kept.waitFor('ready');
    kept.signal('SIGINT');
    await Bun.sleep(500);
    expect(await daemon.ok(client, ['inspect', '-f', '{{.State.Running}}', name])).toBe('true');
    await daemon.ok(client, ['rm', '-f', name]);
    await kept.exited();
  });

  test('--label-file reads labels, --expose and -P publish what is exposed', async () => {
    const file = join(daemon.root, `labels-${client}`);
    writeFileSync(file, '# a comment\none=1\ntwo\nthree=\n');
    const flags = ['--label-file', file, '--expose', '80', '--expose', '90-91/udp', '-P'];
    const id = await daemon.ok(client, ['run', '-d', ...flags, 'busybox', 'sleep', '1000']);
    expect(await daemon.ok(client, ['inspect', '-f', '{{json .Config.Labels}}', id])).toBe(
      '{"one":"1","three":""}',
    );
    const ports = await daemon.ok(client, ['port', id]);
    for (const port of ['80/tcp', '90/udp', '91/udp'])
      expect(ports).toMatch(new RegExp(`^${port} -> 0.0.0.0:\\d+$`, 'm'));
    await daemon.ok(client, ['rm', '-f', id]);
  });

  test('exec --env-file and --privileged', async () => {
    const file = join(daemon.root, `env-${client}`);
    writeFileSync(file, '# a comment\nA=1\nB=x y\n');
    const env = await daemon.ok(client, ['exec', '--env-file', file, '-e', 'A=2', idle, 'env']);
    expect(env.split('\n')).toEqual(expect.arrayContaining(['A=2', 'B=x y']));
    expect((await daemon.client(client, ['exec', '--env-file', '/nope', idle, 'env'])).stderr).toContain(
      'open /nope: no such file or directory',
    );
    // dockerd wants capabilities that a machine without CAP_SYS_RESOURCE cannot give.
    if (REFERENCE) return;
    const mask = (...flags: string[]) =>
      daemon.ok(client, ['exec', ...flags, idle, 'sh', '-c', 'grep CapEff /proc/self/status | cut -f2']);
    expect(BigInt(`0x${await mask('--privileged')}`) & (1n << 21n)).not.toBe(0n);
    expect(BigInt(`0x${await mask()}`) & (1n << 21n)).toBe(0n);
  });
});

test('--storage-opt: unknown options, and a size where there are no project quotas', async () => {
  const refused = async (option: string) =>
    (await daemon.tare('create', '--storage-opt', option, 'busybox')).stderr;
  expect(await refused('bogus=1')).toMatch(/unknown option bogus/i);
  expect(await refused('size=x')).toMatch(/invalid size/i);
  const outcome = await daemon.tare('create', '--storage-opt', 'size=1G', 'busybox');
  // Where the data root has quotas it works: the virtual machine shows it.
  if (outcome.code === 0) await out('rm', outcome.stdout.trim());
  else expect(outcome.stderr).toContain("--storage-opt is supported only for overlay over xfs with 'pquota'");
});

test('--mac-address, --ip and --ip6, and where they cannot be', async () => {
  // dockerd 20.10 does not know addresses of endpoints as the CLI sends them.
  if (REFERENCE) return;
  await out('network', 'create', '--subnet', '10.77.0.0/24', 'four');
  await out('network', 'create', '--ipv6', '--subnet', 'fd00:77::/64', 'six');
  for (const client of CLIENTS) {
    const sh = (script: string, ...flags: string[]) =>
      daemon.ok(client, ['run', '--rm', ...flags, 'busybox', 'sh', '-c', script]);
    const refused = async (...flags: string[]) =>
      (await daemon.client(client, ['create', ...flags, 'busybox'])).stderr;
    const mac = '92:d0:c6:0a:29:33';
    const address = 'cat /sys/class/net/eth0/address';
    expect(await sh(address, '--mac-address', mac)).toBe(mac);
    expect(
      await sh(
        `${address}; ip addr show eth0`,
        '--network',
        'four',
        '--mac-address',
        mac,
        '--ip',
        '10.77.0.99',
      ),
    ).toMatch(/^92:d0:c6:0a:29:33\n.*inet 10\.77\.0\.99\/24/s);
    expect(await sh('ip -6 addr show eth0', '--network', 'six', '--ip6', 'fd00:77::99')).toContain(
      'fd00:77::99/64',
    );
    expect(await refused('--mac-address', 'bad')).toContain('bad is not a valid mac address');
    expect(await refused('--ip', '1.2.3.4')).toContain(
      'user specified IP address is supported on user defined networks only',
    );
    expect(await refused('--network', 'four', '--ip', 'bad')).toContain('invalid IPv4 address: bad');
    const other = await daemon.client(client, [
      'run',
      '--rm',
      '--network',
      'four',
      '--ip',
      '10.78.0.3',
      'busybox',
    ]);
    expect(other.stderr).toContain('no configured subnet or ip-range contain the IP address 10.78.0.3');
  }
  await out('network', 'rm', 'four', 'six');
});
