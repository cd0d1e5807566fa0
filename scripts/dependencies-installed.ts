/**
 * Exits 0 when `node_modules` holds every package of `package-lock.json` in its version, else 1. That is what
 * `npm ci` would bring about; it takes milliseconds and leaves an intact tree alone.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Locked {
  readonly version?: string;
  readonly optional?: boolean;
}

const root = process.argv[2] ?? '.';
const read = (path: string): { packages?: Record<string, Locked>; version?: string } =>
  JSON.parse(readFileSync(path, 'utf8'));

function installed(path: string, locked: Locked): boolean {
  const manifest = join(root, path, 'package.json');
  // Packages for other systems are optional, and are not there.
  if (!existsSync(manifest)) return locked.optional === true;
  return read(manifest).version === locked.version;
}

const packages = Object.entries(read(join(root, 'package-lock.json')).packages ?? {});
const missing = packages.filter(([path, locked]) => path !== '' && !installed(path, locked));
for (const [path] of missing) console.error(`missing or of another version: ${path}`);
process.exit(missing.length === 0 ? 0 : 1);
