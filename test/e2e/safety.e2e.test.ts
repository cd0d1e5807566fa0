/** Nothing of the daemon's reaches a container, whatever its image and its working directory are. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { copyFileSync, mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
let running: string;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
  running = await daemon.ok('tare', ['run', '-d', 'busybox', 'sleep', '1000']);
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

/** Descriptors of the process that lists them, without the one it lists by. */
const LIST = 'for f in /proc/self/fd/*; do readlink $f; done; true';
const OWN = /^(\/dev\/null|\/dev\/pts\/\d+|pipe:\[\d+\])$/;

test('a process of run and of exec has three descriptors: its own stdio', async () => {
  const list = ['sh', '-c', LIST];
  for (const args of [
    ['run', '--rm', 'busybox', ...list],
    ['run', '--rm', '-i', '--init', 'busybox', ...list],
    ['run', '--rm', '--privileged', '--pid', 'host', '--net', 'host', 'busybox', ...list],
    ['exec', running, ...list],
    ['exec', '-i', '--privileged', running, ...list],
    ['exec', running, 'sh', '-c', LIST.replaceAll('self', '1')],
  ]) {
    const found = (await daemon.ok('tare', args)).split('\n');
    expect(found.length).toBe(3);
    for (const target of found) expect(target).toMatch(OWN);
  }
  const terminal = daemon.terminal('tare', ['run', '--rm', '-it', 'busybox', ...list]);
  expect(await terminal.exited()).toBe(0);
  const shown = terminal.output().trim().split('\r\n');
  expect(shown.map((line) => OWN.test(line))).toEqual([true, true, true]);
});

test('a working directory below /proc/self/fd leads to no directory of the host', async () => {
  // Those that crun has open while it starts a process are among the first; none of them is a directory outside.
  for (const number of [0, 3, 4, 5, 6, 7, 8, 9]) {
    const directory = `/proc/self/fd/${number}`;
    for (const args of [
      ['run', '--rm', '-w', directory, 'busybox', 'pwd'],
      ['exec', '-w', directory, running, 'pwd'],
      ['exec', '-w', `${directory}/..`, running, 'pwd'],
    ]) {
      const outcome = await daemon.client('tare', args);
      if (outcome.code === 0) expect(outcome.stdout).toMatch(/^\/proc\/\d+(\/fd)?\n$/);
      else expect(outcome.stdout + outcome.stderr).toMatch(/not a directory|no such file or directory/i);
    }
  }
  await daemon.ok('tare', ['exec', running, 'ln', '-s', '/proc/self/fd/5', '/link']);
  const linked = await daemon.tare('exec', '-w', '/link', running, 'pwd');
  expect(linked.code).not.toBe(0);
  // dockerd gives the reason in the stream.
  const said = async (directory: string) => {
    const { stdout, stderr } = await daemon.tare('exec', '-w', directory, running, 'pwd');
    return stdout + stderr;
  };
  const words = 'chdir to cwd ("/nope") set in config.json failed: no such file or directory';
  expect(await said('/nope')).toContain(words);
  expect(await said('nope')).toContain('Cwd must be an absolute path');
}, 240_000);

test('links in the image in place of /proc, /dev, /sys, /dev/console and files of /etc are not followed', async () => {
  const root = join(daemon.root, 'image');
  const victim = join(daemon.root, 'victim');
  writeFileSync(victim, 'as before');
  for (const place of [
    'proc',
    'dev',
    'sys',
    'dev/console',
    'dev/shm',
    'etc/hosts',
    'etc/resolv.conf',
    'etc/mtab',
  ]) {
    rmSync(root, { recursive: true, force: true });
    for (const name of ['bin', 'etc', 'tmp', 'proc', 'dev', 'sys'])
      mkdirSync(join(root, name), { recursive: true });
    copyFileSync(Bun.which('busybox')!, join(root, 'bin/busybox'));
    writeFileSync(join(root, 'etc/victim'), 'as before');
    rmSync(join(root, place), { recursive: true, force: true });
    // To a file inside and, for who would resolve it in the host's root, to one outside.
    symlinkSync(place.includes('/') ? '/etc/victim' : '../../../../../../../tmp', join(root, place));
    const tar = join(daemon.root, 'image.tar');
    await must(['tar', '-C', root, '-cf', tar, '.']);
    const name = `link-${place.replaceAll(/\W/g, '-')}`;
    await daemon.ok('tare', ['import', tar, name]);
    const script = [
      'b=/bin/busybox; $b cat /etc/victim; echo',
      'for d in /proc /dev /sys; do [ ! -L $d ] && $b grep -c " $d " /proc/mounts; done',
      '$b grep " /tmp" /proc/mounts; $b ls /tmp; true',
    ].join('; ');
    const flags = ['--tmpfs', '/run', name, '/bin/busybox', 'sh', '-c', script];
    expect(await daemon.ok('tare', ['run', '--rm', ...flags])).toBe('as before\n1\n1\n1');
    const terminal = daemon.terminal('tare', ['run', '--rm', '-it', ...flags]);
    expect(await terminal.exited()).toBe(0);
    expect(terminal.output().trim().split('\r\n')).toEqual(['as before', '1', '1', '1']);
    await daemon.ok('tare', ['rmi', name]);
  }
  expect(await Bun.file(victim).text()).toBe('as before');
}, 240_000);
