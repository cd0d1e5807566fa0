import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { TareError } from '../../base/errors.ts';
import { codeOf } from '../../kernel/errno.ts';
import type { Setting } from './settings.ts';

/**
 * Writes limits and reads each back: some are accepted and not kept. All or nothing: after a failure the ones before
 * it have their former values again.
 * @param directory of a controller; undefined when it is not mounted.
 * @throws TareError `conflict` when the kernel refuses a value now (memory in use), `invalid` when it never takes it,
 *   `not-implemented` when the machine has no such limit.
 */
export function applySettings(
  directory: (controller: string) => string | undefined,
  settings: readonly Setting[],
): void {
  const undone: Array<() => void> = [];
  try {
    for (const setting of settings) {
      const base = directory(setting.controller);
      if (base === undefined) throw missing(setting);
      const path = join(base, setting.file);
      const before = read(path, setting);
      if (setting.holds(before)) continue;
      undone.push(() => writeFileSync(path, setting.undo(before)));
      write(path, setting);
      const after = read(path, setting);
      if (!setting.holds(after)) {
        throw new TareError(
          'internal',
          `the kernel took ${setting.value} for ${setting.file} but kept ${after.replaceAll('\n', ', ')}: give another value`,
        );
      }
    }
  } catch (error) {
    for (const undo of undone.reverse()) {
      try {
        undo();
      } catch {
        // What cannot be had again is not worse than before; the caller learns of the first failure.
      }
    }
    throw error;
  }
}

function missing({ file }: Setting): TareError {
  return new TareError(
    'not-implemented',
    `this machine's kernel has no ${file}: leave that limit out, or enable its cgroup controller`,
  );
}

function read(path: string, setting: Setting): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    throw codeOf(error) === 'ENOENT' ? missing(setting) : failure(error, setting);
  }
}

function write(path: string, setting: Setting): void {
  try {
    writeFileSync(path, setting.value);
  } catch (error) {
    throw failure(error, setting);
  }
}

function failure(error: unknown, { file, value }: Setting): TareError {
  const code = codeOf(error);
  if (code === 'EBUSY') {
    return new TareError(
      'conflict',
      `${file} cannot be set to ${value} now: more is in use, and the kernel cannot take it away; give more, or free some first`,
      error,
    );
  }
  const kind = code === 'EINVAL' || code === 'ERANGE' || code === 'ENODEV' ? 'invalid' : 'internal';
  return new TareError(kind, `writing ${value} to ${file}: ${code ?? String(error)}`, error);
}
