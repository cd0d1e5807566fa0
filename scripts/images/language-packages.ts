/**
 * Packages of Python and Node for Dockerfiles that are built in tests: fetched once with this machine's own settings
 * for pip and npm, and then taken from a folder. No address of it is ever written into the repository.
 */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../../test/support/command.ts';
import { cached } from './cache.ts';
import type { Client } from './make-app-image.ts';

/** Milliseconds; a bound against hangs. */
const PATIENCE = 600_000;
/** The last npm that the Node of Debian 12 runs. */
const NPM = 'npm@10.9.3';
const AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt';

/** A folder with the wheels of a `requirements.txt` for the image `python`, which the daemon must have. */
export function wheels(requirements: string, client: Client): Promise<string> {
  const text = readFileSync(requirements, 'utf8');
  return cached('wheels-app', JSON.stringify([1, text]), async (target) => {
    mkdirSync(target);
    writeFileSync(join(target, 'requirements.txt'), text);
    const settings = Object.entries(process.env).filter(([name]) => /^(PIP_|(https?|no)_proxy$)/i.test(name));
    const files = ['/etc/pip.conf', AUTHORITIES].filter((path) => existsSync(path));
    await client([
      ...['run', '--rm', '-v', `${target}:/wheels`, '-w', '/wheels', '-e', `PIP_CERT=${AUTHORITIES}`],
      ...settings.flatMap(([name, value]) => ['-e', `${name}=${value}`]),
      ...files.flatMap((path) => ['-v', `${path}:${path}:ro`]),
      ...['python', 'sh', '-euxc'],
      'python -m venv /tmp/venv && /tmp/venv/bin/pip download -d /wheels -r requirements.txt',
    ]);
  });
}

export interface NpmPackages {
  /** npm itself, for /usr/local/lib/node_modules. */
  readonly npm: string;
  /** npm's cache with all packages of the lock file. */
  readonly cache: string;
  /** The registry they are of, as the cache knows them. */
  readonly registry: string;
}

/** npm and the packages of a folder with `package.json` and `package-lock.json`. */
export async function npmPackages(app: string): Promise<NpmPackages> {
  const lock = readFileSync(join(app, 'package-lock.json'), 'utf8');
  const registry = await must(['npm', 'config', 'get', 'registry']);
  const folder = await cached('npm-app', JSON.stringify([1, NPM, registry, lock]), async (target, work) => {
    mkdirSync(join(target, 'cache'), { recursive: true });
    const copy = join(work, 'app');
    mkdirSync(copy);
    for (const name of ['package.json', 'package-lock.json']) cpSync(join(app, name), join(copy, name));
    const run = (...args: string[]) => must(['npm', ...args], { cwd: copy, timeout: PATIENCE });
    await run('ci', '--ignore-scripts', '--cache', join(target, 'cache'));
    await run('pack', NPM, '--pack-destination', work);
    await must(['tar', '-xzf', join(work, `${NPM.replace('@', '-')}.tgz`), '-C', work]);
    cpSync(join(work, 'package'), join(target, 'npm'), { recursive: true });
  });
  return { npm: join(folder, 'npm'), cache: join(folder, 'cache'), registry };
}
