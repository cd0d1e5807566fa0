import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { Glob, Transpiler } from 'bun';

/** The repository's root. */
export const ROOT = resolve(import.meta.dir, '../..');

/**
 * How a file depends on another.
 * - `value`: evaluated when the importing file is.
 * - `dynamic`: evaluated when an `import()` is reached.
 * - `type`: gone after compilation.
 */
export type ImportKind = 'value' | 'dynamic' | 'type';

export interface Import {
  /** Path from the repository's root. */
  readonly from: string;
  /** Path from the repository's root, or the bare name of a package (`bun:ffi`, `node:fs`, `commander`). */
  readonly to: string;
  readonly kind: ImportKind;
  readonly external: boolean;
  /** 1-based line of the statement. */
  readonly line: number;
}

export interface SourceFile {
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

const transpiler = new Transpiler({ loader: 'ts' });

// The formatter puts every import and re-export at the start of a line, so a pattern finds all of them.
const STATEMENT =
  /^(import|export)\s+(type\s+)?(?:[\w*{][^;'"]*?\s*from\s*)?(?:(?<=\s|from)|(?<=import\s))['"]([^'"]+)['"]/gm;
const CALL = /\bimport\(\s*['"]([^'"]+)['"]\s*[,)]/g;

/** All TypeScript files below `folders`, sorted, with what they import. */
export function readSources(...folders: string[]): SourceFile[] {
  const files: SourceFile[] = [];
  for (const folder of folders) {
    if (!existsSync(join(ROOT, folder))) continue;
    for (const name of new Glob('**/*.{ts,tsx}').scanSync(join(ROOT, folder))) {
      if (name.includes('node_modules/')) continue;
      const path = join(folder, name);
      const text = readFileSync(join(ROOT, path), 'utf8');
      files.push({ path, text, imports: scanImports(path, text) });
    }
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/**
 * The imports of one file. The statements are found by pattern, because Bun's scanner leaves out `import type`;
 * the scanner then tells an `import()` that runs from one in the place of a type, and proves that the pattern
 * missed nothing.
 */
export function scanImports(path: string, text: string): Import[] {
  const found: Import[] = [];
  const code = blankComments(text);
  const add = (index: number, specifier: string, kind: ImportKind) => {
    const external = !specifier.startsWith('.');
    const to = external ? specifier : relative(ROOT, resolve(ROOT, dirname(path), specifier));
    found.push({ from: path, to, kind, external, line: lineAt(text, index) });
  };
  for (const match of code.matchAll(STATEMENT)) add(match.index, match[3]!, match[2] ? 'type' : 'value');
  const scanned = transpiler.scanImports(text);
  const running = new Set(scanned.filter((i) => i.kind === 'dynamic-import').map((i) => i.path));
  for (const match of code.matchAll(CALL)) {
    add(match.index, match[1]!, running.has(match[1]!) ? 'dynamic' : 'type');
  }
  for (const seen of scanned) {
    const kind = seen.kind === 'dynamic-import' ? 'dynamic' : 'value';
    if (!['dynamic-import', 'import-statement'].includes(seen.kind)) continue;
    const to = seen.path.startsWith('.')
      ? relative(ROOT, resolve(ROOT, dirname(path), seen.path))
      : seen.path;
    if (!found.some((i) => i.to === to && i.kind === kind)) {
      throw new Error(
        `${path}: the import of ${seen.path} (${kind}) is written in a form this test cannot see`,
      );
    }
  }
  return found;
}

/** Replaces comments by blanks of the same length, so that a commented-out import isn't one. */
function blankComments(text: string): string {
  return text.replace(/^\s*\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, (comment) => comment.replace(/[^\n]/g, ' '));
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split('\n').length;
}

/** Strongly connected parts of the graph of value imports that have more than one file, as closed paths. */
export function valueCycles(files: readonly SourceFile[]): string[][] {
  const edges = new Map<string, string[]>();
  for (const file of files) {
    const targets = file.imports.filter((i) => i.kind === 'value' && !i.external).map((i) => i.to);
    edges.set(file.path, [...new Set(targets)]);
  }
  const cycles: string[][] = [];
  const state = new Map<string, 'open' | 'done'>();
  const path: string[] = [];
  const visit = (node: string) => {
    state.set(node, 'open');
    path.push(node);
    for (const next of edges.get(node) ?? []) {
      if (state.get(next) === 'open') cycles.push([...path.slice(path.indexOf(next)), next]);
      else if (!state.has(next)) visit(next);
    }
    path.pop();
    state.set(node, 'done');
  };
  for (const file of files) if (!state.has(file.path)) visit(file.path);
  return cycles;
}

/**
 * Files that are evaluated when `entry` is, each with the chain of imports that leads to it. `follows` says which
 * dynamic imports count as taken.
 */
export function evaluatedBy(
  files: readonly SourceFile[],
  entry: string,
  follows: (target: string) => boolean = () => false,
): Map<string, string[]> {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const reached = new Map<string, string[]>([[entry, [entry]]]);
  const queue = [entry];
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    for (const target of byPath.get(next)?.imports ?? []) {
      const taken = target.kind === 'value' || (target.kind === 'dynamic' && follows(target.to));
      if (!taken || reached.has(target.to)) continue;
      reached.set(target.to, [...reached.get(next)!, target.to]);
      if (!target.external) queue.push(target.to);
    }
  }
  return reached;
}
