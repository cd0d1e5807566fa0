/** A daemon that is denied what it needs says so, keeps its state, and goes on when it gets it again. */
import { expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { must, run, until } from '../support/command.ts';
import { startDaemon } from '../support/daemon.ts';

const HANDLER = 'trap "exit 3" TERM; echo ready; while :; do sleep 0.1; done';
const READ_ONLY = /read-only/;

test('the disk fails and becomes read-only: what ends is known, what must write says why', async () => {
  const root = mkdtempSync('/tmp/tare-readonly-');
  const place = join(root, 'small');
  mkdirSync(place);
  await must(['truncate', '-s', '128M', join(root, 'disk')]);
  await must(['mkfs.ext4', '-q', '-F', join(root, 'disk')]);
  await must(['mount', '-o', 'loop,errors=remount-ro', join(root, 'disk'), place]);
  const daemon = await startDaemon({ isolated: true, dataRoot: place });
  try {
    await daemon.ok('tare', ['run', '-d', '--name', 'runs', 'busybox', 'sh', '-c', HANDLER]);
    await daemon.ok('tare', ['run', '--name', 'idle', 'busybox', 'true']);
    await daemon.ok('tare', ['run', '-d', '--name', 'ends', 'busybox', 'sh', '-c', 'read line; exit 5']);
    await daemon.ok('tare', ['run', '-d', '--name', 'waits', 'busybox', 'sh', '-c', 'sleep 3; exit 6']);
    const device = (await must(['findmnt', '-no', 'SOURCE', place])).trim().replace('/dev/', '');
    writeFileSync(`/sys/fs/ext4/${device}/trigger_fs_error`, 'x');
    expect(await daemon.ok('tare', ['wait', 'waits'])).toBe('6');
    await daemon.ok('tare', ['stop', 'runs']);
    const state = (name: string) =>
      daemon.ok('tare', ['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', name]);
    expect(await state('runs')).toBe('exited 3');
    for (const command of [
      ['create', 'busybox'],
      ['start', 'idle'],
      ['rm', 'idle'],
      ['volume', 'create', 'some'],
    ]) {
      const refused = await daemon.tare(...command);
      expect({ command, code: refused.code }).toEqual({ command, code: 1 });
      expect(refused.stderr).toMatch(READ_ONLY);
    }
    expect(await state('idle')).toBe('exited 0');
    await daemon.terminate();
    const again = await run(daemon.argv, { timeout: 60_000 });
    expect(again.code).toBe(1);
    expect(again.stderr + again.stdout).toMatch(READ_ONLY);
  } finally {
    await daemon.stop({ force: true });
    for (let i = 0; i < 100 && (await run(['umount', place])).code !== 0; i++) await Bun.sleep(100);
    rmSync(root, { recursive: true });
  }
}, 180_000);

test('no descriptors left: requests fail and say so, containers go on, and later all is well', async () => {
  await using daemon = await startDaemon({ isolated: true });
  await daemon.ok('tare', ['run', '-d', '--name', 'runs', 'busybox', 'sh', '-c', HANDLER]);
  await daemon.ok('tare', ['create', '--name', 'later', 'busybox', 'echo', 'well']);
  const open = () => readdirSync(`/proc/${daemon.pid}/fd`).length;
  const before = open();
  const limits = (
    await must(['prlimit', '-p', String(daemon.pid), '--nofile', '--noheadings', '-o', 'SOFT,HARD'])
  )
    .trim()
    .split(/\s+/);
  await must(['prlimit', '-p', String(daemon.pid), `--nofile=${before + 12}:${limits[1]}`]);
  const held: Socket[] = [];
  try {
    // Room for the connection itself and for nothing more.
    while (open() < before + 11 && held.length < 50) {
      const socket = connect(daemon.socket);
      socket.on('error', () => {});
      held.push(socket);
      await new Promise((resolve) => socket.once('connect', resolve));
      await Bun.sleep(20);
    }
    const refused = await daemon.request('POST', '/containers/later/start');
    expect(refused.status).toBe(500);
    expect(await refused.text()).toMatch(/too many open files|EMFILE/i);
    for (const socket of held.splice(0)) socket.destroy();
    await must(['prlimit', '-p', String(daemon.pid), `--nofile=${limits[0]}:${limits[1]}`]);
    await until('the connections are gone', async () => open() <= before + 3);
    expect(await daemon.ok('tare', ['start', '-a', 'later'])).toBe('well');
    expect(await daemon.ok('tare', ['exec', 'runs', 'echo', 'on'])).toBe('on');
    await daemon.ok('tare', ['stop', 'runs']);
    expect(await daemon.ok('tare', ['inspect', '-f', '{{.State.ExitCode}}', 'runs'])).toBe('3');
  } finally {
    for (const socket of held) socket.destroy();
  }
  await daemon.ok('tare', ['rm', 'runs', 'later']);
}, 120_000);

test('a cgroup that cannot be written: a start says so and leaves nothing', async () => {
  const readOnly =
    'awk \'$3 ~ /^cgroup/ {print $2}\' /proc/self/mounts | while read at; do mount -o bind "$at" "$at" && mount -o remount,bind,ro "$at" || exit 1; done; exec "$@"';
  await using daemon = await startDaemon({ isolated: true });
  await daemon.ok('tare', ['create', '--name', 'idle', 'busybox', 'echo', 'well']);
  await daemon.terminate();
  const denied = Bun.spawn(['unshare', '-m', 'sh', '-c', readOnly, 'sh', ...daemon.argv], {
    stdin: 'ignore',
    stdout: 'ignore',
    stderr: 'ignore',
  });
  try {
    await until('it answers', () =>
      daemon.request('GET', '/_ping').then(
        ({ ok }) => ok,
        () => false,
      ),
    );
    const refused = await daemon.tare('start', 'idle');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/cgroup.*read-only file system/i);
    expect(await daemon.ok('tare', ['inspect', '-f', '{{.State.Status}}', 'idle'])).toBe('created');
    expect(readdirSync(join(daemon.execRoot, 'rt/crun'))).toEqual([]);
  } finally {
    denied.kill('SIGTERM');
    await denied.exited;
  }
  await daemon.start();
  expect(await daemon.ok('tare', ['start', '-a', 'idle'])).toBe('well');
}, 120_000);
