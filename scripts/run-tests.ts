/** Runs test files and counts their results from the runner's own report. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface Totals {
  passed: number;
  failed: number;
  skipped: number;
}

export interface TestRun extends Totals {
  /** Names of the tests that were skipped; a name says the reason. */
  readonly skippedNames: string[];
  /** Names of the tests that failed, with the file. */
  readonly failedNames: string[];
}

export interface TestOptions {
  /** Milliseconds for one test that sets no limit of its own. */
  readonly timeout: number;
  /** Regular expression on names of tests. */
  readonly pattern: string | undefined;
}

/** Runs `files` in one process of `bun test`, output passed through. A run that dies counts as one failure. */
export async function runTests(
  root: string,
  files: readonly string[],
  options: TestOptions,
): Promise<TestRun> {
  const scratch = mkdtempSync(join(tmpdir(), 'tare-check-'));
  const report = join(scratch, 'report.xml');
  try {
    const child = Bun.spawn(
      [
        process.execPath,
        'test',
        '--only-failures',
        `--timeout=${options.timeout}`,
        '--reporter=junit',
        `--reporter-outfile=${report}`,
        ...(options.pattern === undefined ? [] : ['--test-name-pattern', options.pattern]),
        ...files.map((file) => `./${file}`),
      ],
      { cwd: root, env: { ...process.env }, stdin: 'ignore', stdout: 'inherit', stderr: 'inherit' },
    );
    const code = await child.exited;
    const run = withoutOthers(readReport(report), options.pattern);
    if (code !== 0 && run.failed === 0) {
      // Tests that cannot be loaded, an error outside a test, a crash: the runner reports no test for it.
      const filteredOut = options.pattern !== undefined && run.passed + run.skipped === 0 && code === 1;
      if (!filteredOut) {
        run.failed += 1;
        run.failedNames.push(`${files.join(' ')}: the run ended with code ${code}`);
      }
    }
    return run;
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** With a name pattern the runner reports the tests left out as skipped: those don't count. */
function withoutOthers(run: TestRun, pattern: string | undefined): TestRun {
  if (pattern === undefined) return run;
  const wanted = new RegExp(pattern);
  // The runner matches the names of groups and test with blanks between them.
  const skippedNames = run.skippedNames.filter((name) =>
    wanted.test(name.slice(name.indexOf(': ') + 2).replaceAll(' > ', ' ')),
  );
  return { ...run, skipped: skippedNames.length, skippedNames };
}

/** Reads a JUnit report. */
export function readReport(path: string): TestRun {
  const run: TestRun = { passed: 0, failed: 0, skipped: 0, skippedNames: [], failedNames: [] };
  let xml: string;
  try {
    xml = readFileSync(path, 'utf8');
  } catch {
    return run;
  }
  for (const match of xml.matchAll(/<testcase ([^>]*?)(\/>|>([\s\S]*?)<\/testcase>)/g)) {
    const attribute = (name: string) =>
      unescapeXml(new RegExp(`\\b${name}="([^"]*)"`).exec(match[1]!)?.[1] ?? '');
    const name = `${attribute('file')}: ${[attribute('classname'), attribute('name')].filter(Boolean).join(' > ')}`;
    const body = match[3] ?? '';
    if (body.includes('<failure') || body.includes('<error')) {
      run.failed += 1;
      run.failedNames.push(name);
    } else if (body.includes('<skipped')) {
      run.skipped += 1;
      run.skippedNames.push(name);
    } else run.passed += 1;
  }
  return run;
}

function unescapeXml(text: string): string {
  const entities: Record<string, string> = { lt: '<', gt: '>', quot: '"', apos: "'", amp: '&' };
  return text
    .replace(/&#(\d+);/g, (_, code: string) => String.fromCodePoint(Number(code)))
    .replace(/&(lt|gt|quot|apos|amp);/g, (_, name: string) => entities[name]!);
}
