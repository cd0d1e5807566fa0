import {
  chmodSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { CommandFailure } from '../failure.ts';

/** One registry's entry in `auths`. */
export interface StoredAuth {
  /** Base64 of `user:password`. */
  readonly auth?: string;
  readonly identitytoken?: string;
  readonly registrytoken?: string;
}

/** The members of docker's `config.json` that are about credentials; the others are kept as they are. */
export interface CredentialConfig {
  auths?: Record<string, StoredAuth>;
  /** Name of the helper program for every registry, `docker-credential-NAME`. */
  credsStore?: string;
  /** Names of helpers by registry. */
  credHelpers?: Record<string, string>;
  [other: string]: unknown;
}

/** Docker's configuration file in the folder `dir`. */
export function configPath(dir: string): string {
  return join(dir, 'config.json');
}

/**
 * Reads the file for changing it; empty when there is none.
 * @throws CommandFailure when it can't be read or understood: writing would destroy what is in it.
 */
export function loadConfig(dir: string): CredentialConfig {
  const path = configPath(dir);
  try {
    const parsed: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed)) {
      return parsed as CredentialConfig;
    }
    throw new Error('it holds no JSON object');
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return {};
    throw new CommandFailure(
      `loading the configuration file ${path}: ${(error as Error).message}. Repair it, or move it away`,
    );
  }
}

/**
 * Replaces the file in one step, readable for its owner only. A link stays one: what it points to is replaced.
 * @throws CommandFailure when it can't be written.
 */
export function saveConfig(dir: string, config: CredentialConfig): void {
  const path = configPath(dir);
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const target = realPath(path);
    const partial = join(dirname(target), `.config.json.${process.pid}`);
    try {
      writeFileSync(partial, JSON.stringify(config, undefined, '\t'), {
        mode: 0o600,
        flag: 'wx',
        flush: true,
      });
      chmodSync(partial, modeOf(target));
      renameSync(partial, target);
    } finally {
      rmSync(partial, { force: true });
    }
  } catch (error) {
    throw new CommandFailure(`error saving credentials: writing ${path}: ${(error as Error).message}`);
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return path;
    throw error;
  }
}

/** The file's mode as its owner set it, but never for others to write. */
function modeOf(path: string): number {
  try {
    return statSync(path).mode & 0o755;
  } catch {
    return 0o600;
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown }).code;
}
