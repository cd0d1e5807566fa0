/**
 * Plugins of the docker CLI from Debian 13: docker-compose (2.26) and docker-buildx (0.13). The packages are unpacked,
 * not installed.
 *
 * `bun scripts/images/docker-plugin.ts docker-buildx` prints the path of the program.
 */
import { copyFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../../test/support/command.ts';
import { cached } from './cache.ts';
import { privateApt } from './private-apt.ts';

export type DockerPlugin = 'docker-compose' | 'docker-buildx';

const SUITE = 'trixie';
/** Counts up when the recipe below changes. */
const VERSION = 1;
/** Milliseconds; a bound against hangs. */
const PATIENCE = 180_000;

/** Path of the program, fetched at the first call. Throws what apt says when the suite cannot be reached. */
export function dockerPlugin(name: DockerPlugin): Promise<string> {
  return cached(`${name}-${SUITE}`, String(VERSION), async (target, work) => {
    const apt = [...(await privateApt(work, SUITE)), '-oAPT::Update::Error-Mode=any', '-oAcquire::Retries=1'];
    await must([...apt, 'update'], { timeout: PATIENCE });
    // The programs are static: what the packages depend on is not needed.
    await must([...apt, 'download', name], { timeout: PATIENCE, cwd: work });
    const [archive] = readdirSync(work).filter((file) => file.endsWith('.deb'));
    if (archive === undefined) throw new Error('apt-get download left no package');
    await must(['dpkg', '-x', join(work, archive), join(work, 'root')]);
    copyFileSync(join(work, 'root/usr/libexec/docker/cli-plugins', name), target);
  });
}

if (import.meta.main) process.stdout.write(`${await dockerPlugin(process.argv[2] as DockerPlugin)}\n`);
