/** Devices of the host in containers: `--device`, its rules, CDI and GPUs. Held against dockerd, which has CDI later. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CLIENTS, REFERENCE, startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
let cdi: string;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
  cdi = join(daemon.root, 'cdi');
  mkdirSync(cdi);
  if (REFERENCE) return;
  writeFileSync(join(daemon.root, 'daemon.json'), JSON.stringify({ 'cdi-spec-dirs': [cdi] }));
  await daemon.terminate();
  await daemon.start();
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const SYSLOG = ['--cap-add', 'SYSLOG'];
const sh = (script: string, ...flags: string[]) =>
  daemon.ok('tare', ['run', '--rm', ...flags, 'busybox', 'sh', '-c', script]);
async function refused(...flags: string[]): Promise<string> {
  const outcome = await daemon.tare('run', '--rm', ...flags, 'busybox', 'true');
  expect([125, 126, 127]).toContain(outcome.code);
  return outcome.stderr;
}

test('--device: its name, its rights, all below a directory, and what is none', async () => {
  const { mode } = statSync('/dev/zero');
  const rights = (mode & 0o777).toString(8);
  expect(await sh('stat -c "%F %t:%T %a" /dev/own', '--device', '/dev/zero:/dev/own')).toBe(
    `character special file 1:5 ${rights}`,
  );
  // Character devices may be made by anybody, opened only by rule: kmsg (1:11, for who has CAP_SYSLOG) is not among
  // the usual ones.
  const open = (access: string) =>
    sh(`(true ${access} /dev/k) 2>&1 && echo ok; true`, ...SYSLOG, '--device', '/dev/kmsg:/dev/k:r');
  expect(await open('<')).toBe('ok');
  expect(await open('>')).toContain('Operation not permitted');
  expect(await sh('ls -l /dev/kmsg | cut -c1', '--device', '/dev/kmsg:rw')).toBe('c');
  expect(await sh('ls /dev/many/null /dev/many/zero', '--device', '/dev:/dev/many')).toBe(
    '/dev/many/null\n/dev/many/zero',
  );
  expect(await refused('--device', '/dev/nope')).toContain(
    'error gathering device information while adding custom device "/dev/nope": no such file or directory',
  );
  expect(await refused('--device', '/etc/passwd')).toContain(
    'error gathering device information while adding custom device "/etc/passwd": not a device node',
  );
  expect(await refused('--device', '/dev/null:/dev/x:q')).toContain('bad mode specified: q');
});

test('--device-cgroup-rule opens devices that are made inside', async () => {
  const read = 'mknod /k c 1 11 && true < /k && echo ok';
  expect((await daemon.tare('run', '--rm', ...SYSLOG, 'busybox', 'sh', '-c', read)).stderr).toContain(
    'Operation not permitted',
  );
  expect(await sh(read, ...SYSLOG, '--device-cgroup-rule', 'c 1:11 r')).toBe('ok');
  expect(await sh(read, ...SYSLOG, '--device-cgroup-rule', 'c 1:* rwm')).toBe('ok');
  expect(await refused('--device-cgroup-rule', 'c 1')).toMatch(
    /invalid device cgroup (rule )?format|invalid argument "c 1"/,
  );
});

test('--gpus without a driver is refused in Docker words', async () => {
  for (const value of ['all', '2', 'device=0']) {
    expect(await refused('--gpus', value)).toContain(
      'could not select device driver "" with capabilities: [[gpu]]',
    );
  }
});

const DESCRIPTION = {
  cdiVersion: '0.6.0',
  kind: 'vendor.example/thing',
  containerEdits: { env: ['OF_ALL=1'] },
  devices: [
    {
      name: 'one',
      containerEdits: {
        env: ['THING=one', 'PATH=/usr/bin:/bin'],
        deviceNodes: [{ path: '/dev/thing', hostPath: '/dev/kmsg', permissions: 'r' }],
        mounts: [{ hostPath: '/etc/hostname', containerPath: '/thing/name', options: ['ro', 'bind'] }],
        hooks: [{ hookName: 'createRuntime', path: '/bin/sh', args: ['sh', '-c', 'cat > MARK'] }],
        additionalGids: [4711],
      },
    },
    { name: 'two', containerEdits: { env: ['THING=two'] } },
  ],
};

test('--device vendor/class=name: what CDI describes is in the container', async () => {
  if (REFERENCE) return;
  const mark = join(daemon.root, 'hook-ran');
  const text = JSON.stringify(DESCRIPTION).replace('MARK', mark);
  writeFileSync(join(cdi, 'thing.json'), text);
  for (const client of CLIENTS) {
    const script = 'echo $THING $OF_ALL; wc -l < /thing/name; true < /dev/thing && echo opened; id -G';
    const run = [
      'run',
      '--rm',
      ...SYSLOG,
      '--device',
      'vendor.example/thing=one',
      'busybox',
      'sh',
      '-c',
      script,
    ];
    expect(await daemon.ok(client, run)).toBe('one 1\n1\nopened\n0 4711');
    expect(JSON.parse(await Bun.file(mark).text())).toMatchObject({ status: expect.any(String) });
  }
  const both = ['--device', 'vendor.example/thing=one', '--device', 'vendor.example/thing=two'];
  expect(await sh('echo $THING', ...both)).toBe('two');
  expect(await refused('--device', 'vendor.example/thing=none')).toContain(
    'CDI device injection failed: unresolvable CDI devices vendor.example/thing=none',
  );
});

test('CDI: YAML, GPUs by it, a file that is wrong, and what info shows', async () => {
  if (REFERENCE) return;
  const gpu = (name: string) => `  - name: "${name}"\n    containerEdits:\n      env: ["GPU=${name}"]\n`;
  const yaml = `cdiVersion: 0.5.0\nkind: nvidia.com/gpu\ndevices:\n${gpu('0')}${gpu('1')}${gpu('all')}`;
  writeFileSync(join(cdi, 'gpu.yaml'), yaml);
  writeFileSync(join(cdi, 'wrong.json'), '{"cdiVersion":"0.6.0","kind":"x"}');
  expect(await sh('echo $GPU', '--gpus', 'all')).toBe('all');
  expect(await sh('echo $GPU', '--gpus', 'device=1')).toBe('1');
  expect(await sh('echo $GPU', '--gpus', '1')).toBe('0');
  expect(await refused('--gpus', 'device=7')).toContain('unresolvable CDI devices nvidia.com/gpu=7');
  const info = (await (await daemon.request('GET', '/v1.51/info')).json()) as Record<string, unknown>;
  expect(info.CDISpecDirs).toEqual([cdi]);
  expect(info.DiscoveredDevices).toContainEqual({ Source: 'cdi', ID: 'nvidia.com/gpu=all' });
  const lines = (text: string) => text.split('\n').filter((line) => /CDI|cdi/.test(line));
  expect(lines(await daemon.ok('tare', ['info']))).toEqual(lines(await daemon.ok('docker', ['info'])));
});
