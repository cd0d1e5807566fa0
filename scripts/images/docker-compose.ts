/**
 * The docker-compose plugin of Debian 13 (2.26). The package is unpacked, not installed.
 *
 * `bun scripts/images/docker-compose.ts` prints the path of the program.
 */
import { copyFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../../test/support/command.ts';
import { cached } from './cache.ts';
import { privateApt } from './private-apt.ts';

const SUITE = 'trixie';
/** Counts up when the recipe below changes. */
const VERSION = 1;
/** Milliseconds; a bound against hangs. */
const PATIENCE = 180_000;

/** Path of the program, fetched at the first call. Throws what apt says when the suite cannot be reached. */
export function dockerCompose(): Promise<string> {
  return cached(`docker-compose-${SUITE}`, String(VERSION), async (target, work) => {
    const apt = [...(await privateApt(work, SUITE)), '-oAPT::Update::Error-Mode=any', '-oAcquire::Retries=1'];
    await must([...apt, 'update'], { timeout: PATIENCE });
    // The program is static: what the package depends on is not needed.
    await must([...apt, 'download', 'docker-compose'], { timeout: PATIENCE, cwd: work });
    const [archive] = readdirSync(work).filter((name) => name.endsWith('.deb'));
    if (archive === undefined) throw new Error('apt-get download left no package');
    await must(['dpkg', '-x', join(work, archive), join(work, 'root')]);
    copyFileSync(join(work, 'root/usr/libexec/docker/cli-plugins/docker-compose'), target);
  });
}

if (import.meta.main) process.stdout.write(`${await dockerCompose()}\n`);
