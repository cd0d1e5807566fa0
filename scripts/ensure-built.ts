/**
 * Builds `dist/tare` unless it is there and made from the sources as they are. Prints `built` or `up to date`.
 * What counts: a hash over the sources, the lock file and the build script, kept beside the program.
 */
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { Glob } from 'bun';

const ROOT = resolve(import.meta.dir, '..');
const BINARY = join(ROOT, 'dist/tare');
const STAMP = join(ROOT, 'dist/.sources');
const LOCK = join(ROOT, 'dist/.building');
/** Milliseconds after which a lock is one that somebody died with. */
const STALE = 120_000;

function sourceHash(): string {
  const hash = createHash('sha256');
  const files = [
    ...new Glob('src/**/*').scanSync({ cwd: ROOT }),
    'package.json',
    'package-lock.json',
    'scripts/build.ts',
  ];
  for (const file of files.filter((name) => !name.endsWith('.test.ts')).sort()) {
    hash
      .update(`${file}\0`)
      .update(readFileSync(join(ROOT, file)))
      .update('\0');
  }
  return hash.digest('hex');
}

const upToDate = (hash: string) =>
  existsSync(BINARY) && existsSync(STAMP) && readFileSync(STAMP, 'utf8') === hash;

/** Path of the program, built from the sources as they are. */
export async function ensureBuilt(): Promise<{ path: string; built: boolean }> {
  mkdirSync(join(ROOT, 'dist'), { recursive: true });
  const release = await lock();
  try {
    const hash = sourceHash();
    if (upToDate(hash)) return { path: BINARY, built: false };
    const child = Bun.spawn([process.execPath, 'scripts/build.ts'], {
      cwd: ROOT,
      stdin: 'ignore',
      stdout: 'pipe',
      stderr: 'pipe',
    });
    const [out, err] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
    ]);
    if ((await child.exited) !== 0) throw new Error(`scripts/build.ts failed:\n${out}${err}`);
    writeFileSync(STAMP, hash);
    return { path: BINARY, built: true };
  } finally {
    release();
  }
}

async function lock(): Promise<() => void> {
  for (;;) {
    try {
      closeSync(openSync(LOCK, 'wx'));
      return () => rmSync(LOCK, { force: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (Date.now() - (statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > STALE)
        rmSync(LOCK);
      await Bun.sleep(100);
    }
  }
}

if (import.meta.main) {
  try {
    console.log((await ensureBuilt()).built ? 'built' : 'up to date');
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}
