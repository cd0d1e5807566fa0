import { afterAll, describe, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readReport, runTests } from './run-tests.ts';

const folder = mkdtempSync(join(tmpdir(), 'tare-run-tests-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const write = (name: string, text: string) => writeFileSync(join(folder, name), text);
const options = { timeout: 5000, pattern: undefined };

describe('totals of a test run', () => {
  test('are read from the report', () => {
    write(
      'report.xml',
      `<testsuites><testsuite name="a"><testcase name="one" classname="" file="a.test.ts" />
       <testcase name="two &lt;x&gt;" classname="group" file="a.test.ts"><failure message="no">x</failure></testcase>
       <testcase name="three [no such kernel]" classname="" file="a.test.ts"><skipped /></testcase>
       </testsuite></testsuites>`,
    );
    expect(readReport(join(folder, 'report.xml'))).toEqual({
      passed: 1,
      failed: 1,
      skipped: 1,
      failedNames: ['a.test.ts: group > two <x>'],
      skippedNames: ['a.test.ts: three [no such kernel]'],
    });
  });

  test('a file that cannot be loaded is one failure', async () => {
    write('broken.test.ts', "import './missing.ts';\n");
    const run = await runTests(folder, ['broken.test.ts'], options);
    expect(run).toMatchObject({ passed: 0, failed: 1 });
    expect(run.failedNames[0]).toContain('broken.test.ts');
  });

  test('a real run is counted', async () => {
    write(
      'ok.test.ts',
      "import { test } from 'bun:test';\ntest('a', () => {});\ntest('b', () => {});\ntest.skip('c', () => {});\n",
    );
    expect(await runTests(folder, ['ok.test.ts'], options)).toMatchObject({
      passed: 2,
      failed: 0,
      skipped: 1,
    });
  });

  test('tests that the pattern leaves out are not skipped ones; those it names are', async () => {
    write(
      'some.test.ts',
      "import { describe, test } from 'bun:test';\ntest('a one', () => {});\ntest('b', () => {});\n" +
        "describe('a', () => {\n  test.skip('two', () => {});\n});\n",
    );
    const run = await runTests(folder, ['some.test.ts'], { ...options, pattern: 'a one|a two' });
    expect(run).toMatchObject({ passed: 1, failed: 0, skipped: 1 });
    expect(run.skippedNames[0]).toEndWith('a > two');
  });
});
