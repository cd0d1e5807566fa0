/** Faults at the worst moment: nothing stays half-made, and what is in the way can be removed. */
import { expect, test } from 'bun:test';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statfsSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { must, run, until } from '../support/command.ts';
import { startDaemon } from '../support/daemon.ts';

test('killed while crun makes a container: the next daemon ends it and can make it again', async () => {
  const tools = mkdtempSync('/tmp/tare-slow-crun-');
  const crun = Bun.which('crun');
  const marker = join(tools, 'creating');
  const slow = join(tools, 'crun');
  writeFileSync(
    slow,
    `#!/bin/sh\ncase " $* " in *" create "*) touch ${marker}; sleep 2;; esac\nexec ${crun} "$@"\n`,
  );
  chmodSync(slow, 0o755);
  try {
    const PATH = `${tools}:${process.env.PATH}`;
    await using daemon = await startDaemon({ isolated: true, env: { PATH } });
    const id = await daemon.ok('tare', ['create', '--name', 'half', 'busybox', 'sleep', '1000']);
    const starting = daemon.tare('start', 'half');
    await until('crun is at it', async () => readdirSync(tools).includes('creating'));
    await daemon.kill9();
    await starting;
    await daemon.start();
    expect(await daemon.ok('tare', ['inspect', '-f', '{{.State.Status}}', 'half'])).toBe('created');
    for (const part of ['c', 'rt/crun', 'rt/monitors', 'rt/exits']) {
      expect(readdirSync(join(daemon.execRoot, part))).toEqual([]);
    }
    expect(daemon.traces().filter((line) => line.includes(id))).toEqual([]);
    await daemon.ok('tare', ['start', 'half']);
    expect(await daemon.ok('tare', ['exec', 'half', 'echo', 'well'])).toBe('well');
  } finally {
    rmSync(tools, { recursive: true });
  }
}, 120_000);

test('on a disk full to the last block: stop, rm, rmi and the exit codes still work, also after kill -9', async () => {
  const root = mkdtempSync('/tmp/tare-full-');
  const disk = join(root, 'disk.img');
  const place = join(root, 'small');
  mkdirSync(place);
  await must(['truncate', '-s', '64M', disk]);
  await must(['mkfs.ext4', '-q', '-F', disk]);
  await must(['mount', '-o', 'loop', disk, place]);
  try {
    await using daemon = await startDaemon({ isolated: true, dataRoot: place });
    await daemon.ok('tare', ['tag', 'busybox', 'other']);
    await daemon.ok('tare', ['create', '--name', 'idle', '-v', '/anonymous', 'busybox', 'true']);
    await daemon.ok('tare', ['run', '-d', '--name', 'ends', 'busybox', 'sh', '-c', 'sleep 2; exit 5']);
    await daemon.ok('tare', ['run', '-d', '--name', 'runs', 'busybox', 'sleep', '1000']);
    await run(['dd', 'if=/dev/zero', `of=${join(place, 'fill')}`, 'bs=4k']);
    const refused = await daemon.tare('create', '--name', 'more', 'busybox', 'true');
    expect(refused.stderr).toMatch(/no space left on device/i);
    expect(await daemon.ok('tare', ['wait', 'ends'])).toBe('5');
    await daemon.ok('tare', ['stop', '-t', '0', 'runs']);
    await daemon.kill9();
    await daemon.start();
    expect(await daemon.ok('tare', ['inspect', '-f', '{{.State.Status}} {{.State.ExitCode}}', 'ends'])).toBe(
      'exited 5',
    );
    for (const name of ['idle', 'ends', 'runs']) await daemon.ok('tare', ['rm', '-v', name]);
    await daemon.ok('tare', ['rmi', 'other']);
    rmSync(join(place, 'fill'));
    expect(await daemon.ok('tare', ['run', '--rm', 'busybox', 'echo', 'room'])).toBe('room');
  } finally {
    for (let i = 0; i < 50 && (await run(['umount', place])).code !== 0; i++) await Bun.sleep(100);
    rmSync(disk);
    rmdirSync(place);
    rmdirSync(root);
  }
}, 120_000);

test('an exec root without room: an exec says so and leaves nothing', async () => {
  await using daemon = await startDaemon({ isolated: true });
  await daemon.terminate();
  await must(['mount', '-t', 'tmpfs', '-o', 'size=400k', 'none', daemon.execRoot]);
  try {
    await daemon.start();
    await daemon.ok('tare', ['run', '-d', '--name', 'runs', 'busybox', 'sleep', '1000']);
    // What the start needed for a moment has to be gone first.
    await Bun.sleep(500);
    await run(['dd', 'if=/dev/zero', `of=${join(daemon.execRoot, 'fill')}`, 'bs=1k']);
    expect(statfsSync(daemon.execRoot).bavail).toBe(0);
    const refused = await daemon.tare('exec', 'runs', 'true');
    expect(refused.stdout).toMatch(/no space left on device; free some/);
    expect(readdirSync(join(daemon.execRoot, 'rt/execs'))).toEqual([]);
    rmSync(join(daemon.execRoot, 'fill'));
    expect(await daemon.ok('tare', ['exec', 'runs', 'echo', 'room'])).toBe('room');
    await daemon.ok('tare', ['rm', '-f', 'runs']);
    await daemon.terminate();
  } finally {
    await must(['umount', '-l', daemon.execRoot]);
  }
  await daemon.start();
}, 120_000);

test('rm -f takes a container that restarts all the time, and one that is being started', async () => {
  await using daemon = await startDaemon({ isolated: true });
  for (let round = 0; round < 6; round++) {
    await daemon.ok('tare', ['run', '-d', '--name', 'loop', '--restart', 'always', 'busybox', 'false']);
    await Bun.sleep(round * 40);
    await daemon.ok('tare', ['rm', '-f', 'loop']);
    const { Id } = (await (
      await daemon.request('POST', '/containers/create', { Image: 'busybox', Cmd: ['sleep', '1000'] })
    ).json()) as { Id: string };
    const starting = daemon.request('POST', `/containers/${Id}/start`);
    await Bun.sleep(round * 8);
    expect((await daemon.request('DELETE', `/containers/${Id}?force=1`)).status).toBe(204);
    await starting;
  }
  expect(await daemon.ids()).toEqual([]);
}, 120_000);
