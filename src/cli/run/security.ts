import { readFileSync } from 'node:fs';
import { openProblem } from '../commands/archive-files.ts';

/**
 * Reads the values of `--security-opt`: `key=value`, `key:value` or `no-new-privileges`. A seccomp profile's file
 * is read here, since the daemon may be on another machine.
 * @throws Error in docker's words.
 */
export function parseSecurityOptions(options: readonly string[]): string[] {
  return options.map((option) => {
    const match = /^([^=:]+)[=:](.*)$/s.exec(option);
    if (match === null) {
      if (option === 'no-new-privileges' || option === 'disable') return option;
      throw new Error(`Invalid --security-opt: ${JSON.stringify(option)}`);
    }
    const [, name = '', value = ''] = match;
    if (name !== 'seccomp' || value === 'unconfined' || value === 'builtin') return option;
    return `seccomp=${compactProfile(value)}`;
  });
}

function compactProfile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Error(`opening seccomp profile (${path}) failed: ${openProblem(path, error).message}`);
  }
  try {
    return JSON.stringify(JSON.parse(text));
  } catch (error) {
    throw new Error(`compacting json for seccomp profile (${path}) failed: ${(error as Error).message}`);
  }
}

/** `--security-opt systempaths=unconfined` unmasks /proc and /sys: empty lists instead of the daemon's default. */
export function takeSystemPaths(options: readonly string[]): { options: string[]; unmasked: boolean } {
  const rest = options.filter((option) => option !== 'systempaths=unconfined');
  return { options: rest, unmasked: rest.length < options.length };
}
