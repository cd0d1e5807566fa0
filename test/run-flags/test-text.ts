import { readFileSync } from 'node:fs';

const TEST = /\b(?:test|it)(?:\.\w+(?:\([^()]*\))?)*\(\s*(['"`])((?:\\.|(?!\1)[^\\])*)\1/gs;

/** The tests of a file: their names as spelled, each with its text up to the next test. */
export function testsIn(source: string): Array<{ name: string; text: string }> {
  const found = [...source.matchAll(TEST)];
  return found.map((match, index) => ({
    name: match[2]!,
    text: source.slice(match.index, found[index + 1]?.index),
  }));
}

/** Whether a text uses a flag by its long name, an alias of it, or its letter (alone or among others: `-it`). */
export function speaksOf(text: string, names: readonly string[], short: string | undefined): boolean {
  if (names.some((name) => new RegExp(`--${name}(?![a-z0-9-])`).test(text))) return true;
  return short !== undefined && new RegExp(`(?<=['"\`\\s(])-[A-Za-z]*${short}[A-Za-z]*(?![\\w-])`).test(text);
}

const files = new Map<string, ReturnType<typeof testsIn> | undefined>();

/** What is wrong with a reference to a test; undefined: it exists and its text uses the flag. */
export function referenceFault(
  file: string,
  name: string,
  names: readonly string[],
  short: string | undefined,
): string | undefined {
  if (!files.has(file)) {
    try {
      files.set(file, testsIn(readFileSync(file, 'utf8')));
    } catch {
      files.set(file, undefined);
    }
  }
  const tests = files.get(file);
  if (tests === undefined) return `no file ${file}`;
  const own = tests.filter((test) => test.name === name);
  if (own.length === 0) return `${file} has no test '${name}'`;
  if (own.some((test) => speaksOf(test.text, names, short))) return undefined;
  return `${file}: the test '${name}' does not use --${names[0]}`;
}
