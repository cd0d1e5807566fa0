/**
 * Runs the project's checks: `./check` all that this machine can run, `./check PART...` some, `./check --vm` the tests
 * in a virtual machine, `./check --all` both.
 * The last line is `N passed, N failed[, N skipped]` with the true totals; the exit code tells if any failed.
 */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { Glob } from 'bun';
import { machineState, settledLeftovers } from '../test/support/machine.ts';
import { runTests, type TestRun, type Totals } from './run-tests.ts';
import { runMachine } from './vm/run-machine.ts';

const ROOT = resolve(import.meta.dir, '..');

/** References that lie beside the repository, where somebody has put them; some tests compare with them. */
const REFERENCE = resolve(ROOT, '../shared/reference');
const DESCRIPTION = resolve(REFERENCE, 'engine-api-v1.51.yaml');
if (existsSync(DESCRIPTION)) process.env.TARE_ENGINE_API_DESCRIPTION ??= DESCRIPTION;

interface Part {
  readonly name: string;
  readonly what: string;
  /** A program whose exit code is one result. */
  readonly command?: readonly string[];
  /** Globs of test files, and files left out of them. */
  readonly files?: readonly string[];
  readonly except?: RegExp;
  /** Needs root and may change the machine: each file runs alone, and the machine is compared afterwards. */
  readonly machine?: boolean;
  /** Milliseconds for one test. */
  readonly timeout?: number;
  /** The tests of a list of its own, in a virtual machine; left out unless asked for. */
  readonly virtual?: boolean;
}

const PARTS: readonly Part[] = [
  { name: 'types', what: 'type check', command: ['node_modules/.bin/tsc', '--noEmit'] },
  { name: 'lint', what: 'lint and format', command: ['node_modules/.bin/biome', 'ci', '.'] },
  { name: 'architecture', what: 'import rules', files: ['test/architecture/**/*.test.ts'] },
  {
    name: 'unit',
    what: 'unit tests',
    files: [
      'src/**/*.test.ts',
      'test/support/**/*.test.ts',
      'test/fuzz/**/*.test.ts',
      'scripts/**/*.test.ts',
      'bench/**/*.test.ts',
      'test/vm/*.test.ts',
    ],
    except: /\.(root|vm)\.test\.ts$/,
    timeout: 30_000,
  },
  {
    name: 'golden',
    what: 'golden folders',
    files: ['test/golden/**/*.test.ts'],
    except: /\.root\.test\.ts$/,
  },
  { name: 'compat', what: 'answers against the API description', files: ['test/api-compat/**/*.test.ts'] },
  {
    name: 'root',
    what: 'tests that need root',
    files: [
      'src/**/*.root.test.ts',
      'test/support/**/*.root.test.ts',
      'test/golden/**/*.root.test.ts',
      'scripts/**/*.root.test.ts',
    ],
    machine: true,
    timeout: 120_000,
  },
  {
    name: 'e2e',
    what: 'end-to-end tests',
    files: ['test/e2e/**/*.e2e.test.ts'],
    machine: true,
    timeout: 300_000,
  },
  { name: 'vm', what: 'tests in a virtual machine with cgroup v2 and systemd', virtual: true },
];

/** The reasons why a test may be skipped, by its name. One that is skipped for no reason given here has failed. */
const SKIP_REASONS: ReadonlyArray<readonly [RegExp, string]> = [
  [/by the OCI schema/, `no OCI schemas at ${REFERENCE}/oci-schema`],
  [/against the API description/, `no API description at ${DESCRIPTION} (or TARE_ENGINE_API_DESCRIPTION)`],
  [/the docker-compose of Debian 13/, 'its package cannot be fetched: the Debian archive does not answer'],
  [/system call numbers of amd64/, 'this is another processor'],
];

const { values: flags, positionals } = parseArgs({
  // `--vm` without a number is Debian 12's.
  args: process.argv.slice(2).map((arg) => (arg === '--vm' ? '--vm=12' : arg)),
  allowPositionals: true,
  options: {
    filter: { type: 'string' },
    test: { type: 'string', short: 't' },
    vm: { type: 'string' },
    all: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
});

if (flags.help) {
  console.log(
    'Usage: ./check [PART...] [--vm[=12|13]] [--all] [--filter PATH-PART] [-t TEST-NAME-PATTERN]\n\nParts:',
  );
  for (const part of PARTS) console.log(`  ${part.name.padEnd(14)}${part.what}`);
  process.exit(0);
}
for (const name of positionals) {
  if (PARTS.some((part) => part.name === name)) continue;
  console.error(`check: no part ${name}. Parts: ${PARTS.map((part) => part.name).join(', ')}`);
  process.exit(2);
}

/** All parts unless some are named; the virtual machine only when it is. */
function isWanted(part: Part): boolean {
  if (positionals.includes(part.name) || flags.all) return true;
  return part.virtual ? flags.vm !== undefined : positionals.length === 0 && flags.vm === undefined;
}

function filesOf(part: Part): string[] {
  const found = new Set<string>();
  for (const pattern of part.files ?? []) {
    for (const path of new Glob(pattern).scanSync({ cwd: ROOT })) {
      if (part.except?.test(path)) continue;
      if (flags.filter === undefined || path.includes(flags.filter)) found.add(path);
    }
  }
  return [...found].sort();
}

async function runCommand(command: readonly string[]): Promise<TestRun> {
  const child = Bun.spawn([...command], { cwd: ROOT, stdin: 'ignore', stdout: 'inherit', stderr: 'inherit' });
  const ok = (await child.exited) === 0;
  return {
    passed: ok ? 1 : 0,
    failed: ok ? 0 : 1,
    skipped: 0,
    skippedNames: [],
    failedNames: ok ? [] : [command.join(' ')],
  };
}

/** Runs each file in a process of its own, then looks for what the whole part left on the machine. */
async function runOnMachine(
  part: Part,
  files: readonly string[],
  add: (run: TestRun) => void,
): Promise<void> {
  const before = machineState();
  for (const file of files) {
    const begin = Date.now();
    add(await runTests(ROOT, [file], { timeout: part.timeout ?? 5000, pattern: flags.test }));
    console.log(`  ${seconds(begin)}  ${file}`);
  }
  const { faults, kept } = await settledLeftovers(before);
  for (const item of kept) console.log(`  stays, as documented: ${item}`);
  for (const fault of faults) console.log(`  LEFT BEHIND  ${fault}`);
  const name = `${part.name}: ${faults.length} things were left behind on the machine`;
  const clean = faults.length === 0;
  add({
    passed: clean ? 1 : 0,
    failed: clean ? 0 : 1,
    skipped: 0,
    skippedNames: [],
    failedNames: clean ? [] : [name],
  });
}

const seconds = (begin: number) => `${((Date.now() - begin) / 1000).toFixed(1).padStart(7)} s`;

const begin = Date.now();
const total: Totals = { passed: 0, failed: 0, skipped: 0 };
const failures: string[] = [];
const skips: string[] = [];
const summary: string[] = [];

for (const part of PARTS) {
  if (!isWanted(part)) continue;
  const files = filesOf(part);
  if (part.files !== undefined && files.length === 0) continue;
  if (part.command !== undefined && flags.filter !== undefined) continue;
  console.log(`\n== ${part.name}: ${part.what}`);
  const partBegin = Date.now();
  const sum: Totals = { passed: 0, failed: 0, skipped: 0 };
  const add = (run: TestRun) => {
    for (const totals of [sum, total]) {
      totals.passed += run.passed;
      totals.failed += run.failed;
      totals.skipped += run.skipped;
    }
    failures.push(...run.failedNames);
    skips.push(...run.skippedNames);
  };
  if ((part.machine || part.virtual) && process.getuid?.() !== 0) {
    add({ passed: 0, failed: 1, skipped: 0, skippedNames: [], failedNames: [`${part.name}: needs root`] });
  } else if (part.virtual)
    add(await runMachine(flags.vm ?? '12', { filter: flags.filter, pattern: flags.test }));
  else if (part.command !== undefined) add(await runCommand(part.command));
  else if (part.machine) await runOnMachine(part, files, add);
  else add(await runTests(ROOT, files, { timeout: part.timeout ?? 5000, pattern: flags.test }));
  summary.push(`${seconds(partBegin)}  ${part.name.padEnd(14)}${words(sum)}`);
}

function words(sum: Totals): string {
  return `${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''}`;
}

console.log();
const reasons = new Map<string, number>();
for (const name of skips) {
  const reason = SKIP_REASONS.find(([pattern]) => pattern.test(name))?.[1];
  if (reason !== undefined) reasons.set(reason, (reasons.get(reason) ?? 0) + 1);
  else {
    failures.push(`${name}: skipped without a reason`);
    total.skipped -= 1;
    total.failed += 1;
  }
}
for (const [reason, count] of reasons) console.log(`skipped: ${count} tests, because: ${reason}`);
for (const name of failures) console.log(`failed: ${name}`);
console.log(`\n${summary.join('\n')}\n${seconds(begin)}  in all\n`);
console.log(words(total));
process.exit(total.failed === 0 ? 0 : 1);
