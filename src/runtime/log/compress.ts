import { createReadStream, createWriteStream, renameSync, rmSync, statSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { codeOf, fromNodeError } from '../../kernel/errno.ts';
import { logFileNames } from './log-files.ts';

/**
 * Compresses the rotated files of a log that nobody writes to any more: PATH.2 and older (the monitor may still
 * write to PATH.1). The compressed one appears whole, and only then the plain one goes.
 */
export async function compressRotated(path: string): Promise<void> {
  const unfinished = `${path}.compressing`;
  try {
    for (const name of oldPlain(path)) {
      const { ino } = statSync(name);
      await pipeline(
        createReadStream(name),
        createGzip({ level: 1 }),
        createWriteStream(unfinished, { mode: 0o640 }),
      );
      // A rotation may have given it another number meanwhile, or taken it away.
      const now = oldPlain(path).find((candidate) => statSync(candidate).ino === ino);
      if (now === undefined) continue;
      renameSync(unfinished, `${now}.gz`);
      rmSync(now);
    }
  } catch (error) {
    // Rotated out before it was opened.
    if (codeOf(error) !== 'ENOENT') throw fromNodeError(error, `compressing the log ${path}`);
  } finally {
    rmSync(unfinished, { force: true });
  }
}

function oldPlain(path: string): string[] {
  return logFileNames(path).filter((name) => name !== path && name !== `${path}.1` && !name.endsWith('.gz'));
}
