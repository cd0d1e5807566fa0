import { readFileSync } from 'node:fs';
import { openProblem } from '../commands/archive-files.ts';
import { CommandFailure } from '../failure.ts';

/**
 * The entries of an `--env-file` or `--label-file`: one `KEY=value` a line; empty lines and those that begin with
 * `#` are left out. `lookup` gives the value of a key that stands alone; undefined leaves the key out.
 */
function readEntries(path: string, lookup: (key: string) => string | undefined): string[] {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (error) {
    throw openProblem(path, error);
  }
  const entries: string[] = [];
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text: string;
  try {
    text = decoder.decode(bytes);
  } catch {
    throw new CommandFailure(`invalid env file (${path}): invalid utf8 bytes`);
  }
  for (const raw of text.split(/\r?\n/)) {
    const line = raw.trimStart();
    if (line === '' || line.startsWith('#')) continue;
    const equals = line.indexOf('=');
    const key = equals < 0 ? line : line.slice(0, equals);
    if (/\s/.test(key))
      throw new CommandFailure(`invalid env file (${path}): variable '${key}' contains whitespaces`);
    if (key === '')
      throw new CommandFailure(`invalid env file (${path}): no variable name on line '${line}'`);
    if (equals >= 0) entries.push(line);
    else {
      const value = lookup(key);
      if (value !== undefined) entries.push(value);
    }
  }
  return entries;
}

/** Variables of env files, then those of `--env`. */
export function readEnvironment(files: readonly string[], own: readonly string[]): string[] {
  const lookup = (key: string) => (process.env[key] === undefined ? undefined : `${key}=${process.env[key]}`);
  return [...files.flatMap((path) => readEntries(path, lookup)), ...own];
}

/** Labels of label files, where docker leaves out a key that stands alone, then those of `--label`, as a map. */
export function readLabels(files: readonly string[], own: readonly string[]): Record<string, string> {
  const entries = [...files.flatMap((path) => readEntries(path, () => undefined)), ...own];
  const labels: Record<string, string> = {};
  for (const entry of entries) {
    const equals = entry.indexOf('=');
    labels[equals < 0 ? entry : entry.slice(0, equals)] = equals < 0 ? '' : entry.slice(equals + 1);
  }
  return labels;
}
