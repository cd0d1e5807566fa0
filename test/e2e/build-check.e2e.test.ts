/** `build --check`: Docker's build checks, by the daemon, on what a directory, stdin and an address hold. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
let context: string;
beforeAll(async () => {
  daemon = await startDaemon();
  context = mkdtempSync('/tmp/tare-check-');
}, 60_000);
afterAll(async () => {
  rmSync(context, { recursive: true, force: true });
  await daemon?.stop();
}, 60_000);

const check = (args: readonly string[], input?: string) =>
  daemon.client('tare', ['build', ...args], { cwd: context, ...(input === undefined ? {} : { input }) });

test('says what the rules find, with the lines, and is not pleased', async () => {
  writeFileSync(join(context, 'Dockerfile'), 'FROM scratch as base\nCOPY secret /\nCMD run\n');
  writeFileSync(join(context, '.dockerignore'), 'secret\n');
  writeFileSync(join(context, 'large'), Buffer.alloc(1024));
  const before = await daemon.ok('tare', ['images', '-aq']);
  const { code, stdout, stderr } = await check(['--check', '.']);
  expect(stderr).toBe('');
  expect(stdout).toBe(
    `Check complete, 3 warnings have been found!

WARNING: FromAsCasing - https://docs.docker.com/go/dockerfile/rule/from-as-casing/
'as' and 'FROM' keywords' casing do not match
Dockerfile:1
--------------------
   1 | >>> FROM scratch as base
   2 |     COPY secret /
   3 |     CMD run
--------------------

WARNING: CopyIgnoredFile - https://docs.docker.com/go/dockerfile/rule/copy-ignored-file/
Attempting to Copy file "secret" that is excluded by .dockerignore
Dockerfile:2
--------------------
   1 |     FROM scratch as base
   2 | >>> COPY secret /
   3 |     CMD run
   4 |
--------------------

WARNING: JSONArgsRecommended - https://docs.docker.com/go/dockerfile/rule/json-args-recommended/
JSON arguments recommended for CMD to prevent unintended behavior related to OS signals
Dockerfile:3
--------------------
   1 |     FROM scratch as base
   2 |     COPY secret /
   3 | >>> CMD run
   4 |
--------------------
`,
  );
  expect(code).toBe(1);
  expect(await daemon.ok('tare', ['images', '-aq'])).toBe(before);
}, 30_000);

test('a clean Dockerfile from stdin', async () => {
  const { code, stdout } = await check(['--check', '-'], 'FROM scratch\nCMD ["/x"]\n');
  expect([code, stdout]).toEqual([0, 'Check complete, no warnings found.\n']);
}, 30_000);

test('what cannot be built is an error with its line; rules can be skipped, and JSON asked for', async () => {
  const wrong = await check(
    ['--call=check', '-'],
    'FROM scratch AS a\nCOPY --from=b / /\nFROM scratch AS b\nCOPY --from=a / /\n',
  );
  expect(wrong.code).toBe(1);
  expect(wrong.stdout).toContain(
    'ERROR: dockerfile parse error on line 2: circular dependency detected on stage: b\nDockerfile:2\n',
  );
  const text = '# check=skip=JSONArgsRecommended\nFROM scratch AS B\nCMD x\n';
  const json = await check(['--call=check,format=json', '-'], text);
  const { warnings, sources } = JSON.parse(json.stdout);
  expect(warnings.map(({ ruleName }: { ruleName: string }) => ruleName)).toEqual(['StageNameCasing']);
  expect(Buffer.from(sources[0].data, 'base64').toString()).toBe(text);
  const argument = ['--check', '--build-arg', 'BUILDKIT_DOCKERFILE_CHECK=skip=all', '-'];
  expect((await check(argument, text)).code).toBe(0);
}, 30_000);

test('an unknown way to evaluate is refused', async () => {
  const { code, stderr } = await check(['--call=outline', '.']);
  expect(code).not.toBe(0);
  expect(stderr).toContain('invalid value for --call: outline: give build or check');
}, 30_000);
