/**
 * Debian as a root file system tar, by debootstrap, with what Debian's official image has beside it: no services
 * start at installation, dpkg does not sync, and apt works with this machine's mirror.
 *
 * `bun scripts/images/debian-image.ts` prints the tar's path.
 */
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../../test/support/command.ts';
import { type AptSettings, readAptSettings, SUITE } from './apt-settings.ts';
import { cached } from './cache.ts';

/** Counts up when the recipe below changes. */
const VERSION = 1;
/** Milliseconds; a bound against hangs. */
const PATIENCE = 600_000;

/** Path of `debian-SUITE.tar.zst`; made at the first call, which takes about half a minute. Needs root. */
export async function debianTar(suite = SUITE): Promise<string> {
  const settings = await readAptSettings(suite);
  const key = JSON.stringify([VERSION, settings]);
  return cached(`debian-${suite}.tar.zst`, key, (target, work) => makeDebian(target, work, suite, settings));
}

async function makeDebian(target: string, work: string, suite: string, settings: AptSettings): Promise<void> {
  const root = join(work, 'root');
  const argv = ['debootstrap', '--variant=minbase', suite, root, settings.mirror];
  await must(argv, { timeout: PATIENCE });
  writeFileSync(join(root, 'etc/apt/sources.list'), settings.sources);
  if (settings.configuration !== '') {
    writeFileSync(join(root, 'etc/apt/apt.conf.d/80-from-host'), settings.configuration);
  }
  writeFileSync(join(root, 'etc/apt/apt.conf.d/90-no-languages'), 'Acquire::Languages "none";\n');
  writeFileSync(join(root, 'etc/dpkg/dpkg.cfg.d/unsafe-io'), 'force-unsafe-io\n');
  // Debian's policy-rc.d interface: 101 means that a package must not start its service.
  writeFileSync(join(root, 'usr/sbin/policy-rc.d'), '#!/bin/sh\nexit 101\n');
  chmodSync(join(root, 'usr/sbin/policy-rc.d'), 0o755);
  for (const name of ['var/cache/apt', 'var/lib/apt/lists', 'var/log/bootstrap.log', 'etc/hostname', 'dev']) {
    rmSync(join(root, name), { recursive: true, force: true });
  }
  for (const name of ['var/cache/apt/archives/partial', 'var/lib/apt/lists/partial', 'dev']) {
    mkdirSync(join(root, name), { recursive: true });
  }
  writeFileSync(join(root, 'etc/resolv.conf'), '');
  await must(
    [
      'tar',
      '--numeric-owner',
      '--sort=name',
      '--xattrs',
      '-I',
      'zstd -3 -T0',
      '-C',
      root,
      '-cf',
      target,
      '.',
    ],
    { timeout: PATIENCE },
  );
}

if (import.meta.main) process.stdout.write(`${await debianTar()}\n`);
