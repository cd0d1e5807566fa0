import { existsSync, lstatSync, readFileSync, realpathSync } from 'node:fs';
import { isAbsolute, join, relative, resolve } from 'node:path';
import { openProblem } from '../commands/archive-files.ts';
import { CommandFailure } from '../failure.ts';

/** The Dockerfile of a directory. */
export interface Dockerfile {
  /** Its path in the context; undefined when it lies elsewhere. */
  readonly inside: string | undefined;
  /** Its path on this machine, as the user named it, made absolute: its own ignore file lies beside it. */
  readonly named: string;
  /** With links followed. */
  readonly path: string;
}

/**
 * Finds the Dockerfile of a directory (with links followed): `file` from the working directory, else `Dockerfile` or
 * `dockerfile` in it. @throws CommandFailure in docker's words.
 */
export function findDockerfile(root: string, file: string): Dockerfile {
  const named = file === '' ? defaultFile(root) : resolve(file);
  let path: string;
  try {
    path = realpathSync(named);
  } catch (error) {
    const missing = (error as { code?: string }).code === 'ENOENT';
    const reason = missing ? `lstat ${named}: no such file or directory` : (error as Error).message;
    throw new CommandFailure(
      `unable to prepare context: unable to evaluate symlinks in Dockerfile path: ${reason}`,
    );
  }
  const inside = relative(root, path);
  const isOutside = inside === '..' || inside.startsWith('../') || isAbsolute(inside);
  return { inside: isOutside ? undefined : inside, named, path };
}

function defaultFile(root: string): string {
  const usual = join(root, 'Dockerfile');
  const other = join(root, 'dockerfile');
  const exists = lstatSync(usual, { throwIfNoEntry: false }) !== undefined;
  return !exists && existsSync(other) ? other : usual;
}

/** @throws CommandFailure in docker's words. */
export function readDockerfile(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    throw new CommandFailure(`unable to open Dockerfile: ${openProblem(path, error).message}`);
  }
}
