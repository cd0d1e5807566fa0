import { describe, expect, test } from 'bun:test';
import { evaluatedBy, type Import, readSources, scanImports, valueCycles } from './imports.ts';
import { roomOf, violation } from './rules.ts';

const sources = readSources('src');
const isTest = (path: string) => path.endsWith('.test.ts');
// A test beside its source may build what it needs from anywhere.
const program = sources.filter((file) => !isTest(file.path));

describe('import rules', () => {
  test('every import is one that the table allows', () => {
    expect(program.length).toBeGreaterThan(20);
    const faults = program
      .flatMap((file) => file.imports.map(violation))
      .filter((fault) => fault !== undefined);
    expect(faults).toEqual([]);
  });

  test('value imports have no cycle', () => {
    expect(valueCycles(program).map((cycle) => cycle.join('\n  -> '))).toEqual([]);
  });

  test('no part of the program imports a test or a test helper', () => {
    const imports = program.flatMap((file) => file.imports);
    expect(
      imports.filter((i) => isTest(i.to) || i.to === 'bun:test').map((i) => `${i.from} -> ${i.to}`),
    ).toEqual([]);
  });

  test('every import of ours names a file that exists', () => {
    const known = new Set(sources.map((file) => file.path));
    const missing = sources
      .flatMap((file) => file.imports)
      .filter((i) => !i.external && i.to.startsWith('src/') && i.to.endsWith('.ts') && !known.has(i.to));
    expect(missing.map((i) => `${i.from}:${i.line}: ${i.to}`)).toEqual([]);
  });
});

describe('what `tare version` evaluates', () => {
  const light = new Set(['main', 'cli', 'base', 'oci', 'wire']);
  // The client's own parts may be loaded late: whatever of them a command could load counts.
  const reached = evaluatedBy(program, 'src/main.ts', (target) => roomOf(target) === 'cli');

  test('nothing of the engine is evaluated before a command asks for it', () => {
    expect(reached.size).toBeGreaterThan(10);
    const heavy = [...reached]
      .filter(([path]) => path.startsWith('src/') && !light.has(roomOf(path) ?? ''))
      .map(([, chain]) => chain.join('\n  -> '));
    expect(heavy).toEqual([]);
  });

  test('no native interface is loaded', () => {
    for (const name of ['bun:ffi', 'bun:sqlite']) expect(reached.get(name) ?? []).toEqual([]);
  });
});

describe('the checker itself', () => {
  const scan = (from: string, text: string) => scanImports(from, text);
  const fault = (from: string, text: string) => scan(from, text).map(violation);

  test('sees each form of an import', () => {
    const text = [
      "import a from 'pkg';",
      "import type { B } from '../engine/images/images.ts';",
      "import {\n  c,\n  type D,\n} from '../base/errors.ts';",
      "export { e } from '../base/ids.ts';",
      "export * from '../base/log.ts';",
      "import 'bun:ffi';",
      "import * as n from 'node:fs';",
      "// import { x } from '../cli/x.ts';",
      "/* import('../cli/y.ts') */",
      "type T = import('../wire/t.ts').T;",
      "const later = () => import('../archive/tar.ts');",
      'console.log(a, c, n, later); export type Z = B | D | T;',
    ].join('\n');
    const seen = scan('src/cli/a.ts', text).map((i: Import) => `${i.kind} ${i.to}`);
    expect(seen).toEqual([
      'value pkg',
      'type src/engine/images/images.ts',
      'value src/base/errors.ts',
      'value src/base/ids.ts',
      'value src/base/log.ts',
      'value bun:ffi',
      'value node:fs',
      'type src/wire/t.ts',
      'dynamic src/archive/tar.ts',
    ]);
  });

  test('tells value, dynamic and type imports apart', () => {
    expect(fault('src/cli/a.ts', "const t = () => import('../archive/tar.ts'); t();")).toEqual([undefined]);
    expect(fault('src/cli/a.ts', "import { t } from '../archive/tar.ts';\nt();")[0]).toContain(
      'may not import',
    );
    expect(fault('src/api/a.ts', "import type { I } from '../engine/images/images.ts';")).toEqual([
      undefined,
    ]);
    expect(fault('src/api/a.ts', "import { I } from '../engine/images/images.ts';\nI();")[0]).toContain(
      'src/api/a.ts:1',
    );
    expect(fault('src/store/a.ts', "import { m } from '../kernel/mount.ts';\nm();")[0]).toContain('store');
    expect(fault('src/engine/volumes/a.ts', "import type { C } from '../containers/model.ts';")).toEqual([
      undefined,
    ]);
    expect(fault('src/engine/volumes/a.ts', "import type { C } from '../containers/x.ts';")[0]).toContain(
      'may not',
    );
    expect(fault('src/runtime/a.ts', "import { dlopen } from 'bun:ffi';\ndlopen();")[0]).toContain(
      'kernel only',
    );
  });

  test('finds a cycle and prints its way round', () => {
    const file = (path: string, text: string) => ({ path, text, imports: scan(path, text) });
    const loop = [
      file('src/base/a.ts', "import { b } from './b.ts';\nb();"),
      file('src/base/b.ts', "import { c } from './c.ts';\nc();"),
      file('src/base/c.ts', "import type { X } from './a.ts';\nimport { a } from './a.ts';\na();"),
    ];
    expect(valueCycles(loop)).toEqual([['src/base/a.ts', 'src/base/b.ts', 'src/base/c.ts', 'src/base/a.ts']]);
  });
});
