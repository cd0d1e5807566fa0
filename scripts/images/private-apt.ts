/** apt-get with this system's settings but with lists of its own, for packages that are unpacked and not installed. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readAptSettings } from './apt-settings.ts';

/**
 * The start of an apt-get command line for `suite`, as on a system where nothing is installed. `work` is a folder for its
 * files; packages that it fetches by `--download-only install` are in `archives` of it.
 */
export async function privateApt(work: string, suite: string): Promise<string[]> {
  const { mirror } = await readAptSettings();
  for (const name of ['lists/partial', 'archives/partial']) mkdirSync(join(work, name), { recursive: true });
  writeFileSync(join(work, 'sources.list'), `deb ${mirror} ${suite} main\n`);
  writeFileSync(join(work, 'status'), '');
  const options = {
    'Dir::Etc::SourceList': join(work, 'sources.list'),
    'Dir::Etc::SourceParts': '/dev/null',
    'Dir::State::Lists': join(work, 'lists'),
    'Dir::State::status': join(work, 'status'),
    'Dir::Cache::archives': join(work, 'archives'),
    'Dir::Cache::pkgcache': '',
    'Dir::Cache::srcpkgcache': '',
    // The folder belongs to root.
    'APT::Sandbox::User': 'root',
    'Acquire::Languages': 'none',
  };
  return ['apt-get', '-q', ...Object.entries(options).map(([key, value]) => `-o${key}=${value}`)];
}
