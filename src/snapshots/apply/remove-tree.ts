import { spawn } from 'node:child_process';
import { readdir, rm } from 'node:fs/promises';
import { codeOf } from '../../kernel/errno.ts';

/** A tree with no more entries and levels is removed here: that costs less than a process. */
const FEW = 64;
const SHALLOW = 8;

/**
 * Removes a tree that may be as deep as a container or a layer likes to make it. `rm` of coreutils walks by
 * descriptors: that of node:fs looks up each path from its root, takes 15 s for 2,000 levels, and cannot name what
 * is below 4,096 bytes of path at all. Nothing there is fine. Throws with what could not be removed.
 */
export async function removeTree(path: string): Promise<void> {
  if (!(await isSmall(path)) && (await removeByProgram(path))) return;
  await rm(path, { recursive: true, force: true });
}

async function isSmall(path: string): Promise<boolean> {
  let count = 0;
  let level = [path];
  for (let depth = 0; level.length > 0; depth++) {
    if (depth > SHALLOW) return false;
    const below: string[] = [];
    for (const directory of level) {
      const entries = await readdir(directory, { withFileTypes: true }).catch(() => []);
      count += entries.length;
      if (count > FEW) return false;
      for (const entry of entries) if (entry.isDirectory()) below.push(`${directory}/${entry.name}`);
    }
    level = below;
  }
  return true;
}

/** False when this machine has no such program. */
function removeByProgram(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const child = spawn('rm', ['-rf', '--', path], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, LC_ALL: 'C' },
    });
    let complaint = '';
    child.stderr.on('data', (text: Buffer) => {
      if (complaint.length < 1000) complaint += text.toString('utf8');
    });
    child.once('error', (error) => (codeOf(error) === 'ENOENT' ? resolve(false) : reject(error)));
    child.once('close', (code) => {
      if (code === 0) resolve(true);
      else reject(new Error(complaint.trim().split('\n', 1)[0] || `rm ended with ${code}`));
    });
  });
}
