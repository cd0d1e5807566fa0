/**
 * `fsck.erofs`, `dump.erofs` and `mkfs.erofs` of Debian 13, which know 512-byte blocks and tars; Debian 12's do not.
 * The packages and all the libraries that they need are unpacked, not installed.
 *
 * `bun scripts/images/erofs-utils.ts` prints the folder.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Glob } from 'bun';
import { must } from '../../test/support/command.ts';
import { cached } from './cache.ts';
import { privateApt } from './private-apt.ts';

const SUITE = 'trixie';
/** Counts up when the recipe below changes. */
const VERSION = 1;
/** Milliseconds; a bound against hangs. */
const PATIENCE = 300_000;

export type ErofsProgram = 'fsck.erofs' | 'dump.erofs' | 'mkfs.erofs';

/** How the programs are called: by the dynamic linker that came with them. Fetched at the first call. */
export async function erofsUtils(): Promise<(program: ErofsProgram) => string[]> {
  const folder = await erofsUtilsFolder();
  const find = (pattern: string): string => {
    const [found] = new Glob(pattern).scanSync({ cwd: folder, absolute: true, onlyFiles: false });
    if (found === undefined) throw new Error(`${folder} has no ${pattern}: remove it and try again`);
    return found;
  };
  const linker = find('usr/lib/*-linux-gnu/ld-linux-*.so.*');
  const libraries = find('usr/lib/*-linux-gnu');
  return (program) => [linker, '--library-path', libraries, join(folder, 'usr/bin', program)];
}

function erofsUtilsFolder(): Promise<string> {
  return cached(`erofs-utils-${SUITE}`, String(VERSION), async (target, work) => {
    const apt = await privateApt(work, SUITE);
    await must([...apt, 'update'], { timeout: PATIENCE });
    const install = ['--no-install-recommends', '--download-only', 'install', 'erofs-utils'];
    await must([...apt, '-y', ...install], { timeout: PATIENCE });
    mkdirSync(target);
    for (const name of readdirSync(join(work, 'archives')).filter((file) => file.endsWith('.deb'))) {
      await must(['dpkg', '-x', join(work, 'archives', name), target]);
    }
  });
}

if (import.meta.main) process.stdout.write(`${await erofsUtilsFolder()}\n`);
