/** The table of all flags of `run`, `create`, `update` and `exec`: see test/run-flags/shown.ts. */
import { expect, test } from 'bun:test';
import { readFileSync } from 'node:fs';
import { flagsPage } from '../run-flags/page.ts';
import { COMMANDS, dockerFlagsOf, flagRows, strayLines, tareFlags } from '../run-flags/table.ts';
import { referenceFault, speaksOf, testsIn } from '../run-flags/test-text.ts';

const rows = flagRows();

test('tare has every flag of docker, with the same letter', async () => {
  for (const command of COMMANDS) {
    const own = await tareFlags(command);
    const missing = dockerFlagsOf(command).filter(
      ({ name, short }) => own[name] === undefined || own[name].short !== short,
    );
    expect(missing.map(({ title }) => `tare ${command} lacks ${title}`)).toEqual([]);
  }
});

test('the flags of create are those of run', async () => {
  const [run, create] = [await tareFlags('run'), await tareFlags('create')];
  const other = dockerFlagsOf('create').filter(({ name }) => create[name] !== run[name]);
  expect(other.map(({ name }) => `--${name} is another object than run's`)).toEqual([]);
});

test('each flag has a test that shows it, or is on the list of open ones', () => {
  const empty = rows.filter(({ shown, open }) => shown === undefined && !open);
  expect(
    empty.map(({ command, name }) => `${command} --${name}: no test in test/run-flags/shown.ts`),
  ).toEqual([]);
  expect(strayLines()).toEqual([]);
});

test('each named test exists and uses its flag', async () => {
  const faults: string[] = [];
  for (const command of ['run', 'update', 'exec'] as const) {
    const own = await tareFlags(command);
    for (const row of rows.filter((one) => one.command === command && one.shown !== undefined)) {
      const aliases = Object.keys(own).filter((name) => own[name]!.aliasOf === row.name);
      const { file, test: name } = row.shown!;
      const fault = referenceFault(file, name, [row.name, ...aliases], row.short);
      if (fault !== undefined) faults.push(`${command} --${row.name}: ${fault}`);
    }
  }
  expect(faults).toEqual([]);
});

test('docs/run-flags.md says the same (else run: bun scripts/gen-run-flags.ts)', () => {
  expect(readFileSync('docs/run-flags.md', 'utf8')).toBe(flagsPage());
});

test('the open ones, for the reader', () => {
  const open = rows.filter(({ shown }) => shown === undefined);
  for (const command of COMMANDS) {
    const names = open.filter((row) => row.command === command).map(({ name }) => name);
    console.log(`open of ${command}: ${names.length === 0 ? 'none' : names.join(' ')}`);
  }
  expect(rows.length).toBeGreaterThan(200);
});

test('the checker finds tests and flags in a text', () => {
  const source = "test('a', () => run('--memory-swap', '-it'));\ntest.each([1])(`b`, () => run('-m'));";
  expect(testsIn(source).map(({ name }) => name)).toEqual(['a', 'b']);
  const [first, second] = testsIn(source).map(({ text }) => text);
  expect(speaksOf(first!, ['memory'], 'm')).toBe(false);
  expect(speaksOf(first!, ['memory-swap'], undefined)).toBe(true);
  expect(speaksOf(first!, ['tty'], 't')).toBe(true);
  expect(speaksOf(second!, ['memory'], 'm')).toBe(true);
});
