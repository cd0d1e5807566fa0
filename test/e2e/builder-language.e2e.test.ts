// biome-ignore-all lint/suspicious/noTemplateCurlyInString: Dockerfiles have it
/** What Dockerfiles of BuildKit's newer language do on a daemon, built by tare: what parse tests cannot show. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { GitServer } from '../support/git-server.ts';

let daemon: TestDaemon;
let server: GitServer;
let place: string;
let count = 0;
beforeAll(async () => {
  place = mkdtempSync('/tmp/tare-language-');
  server = new GitServer();
  daemon = await startDaemon();
}, 120_000);
afterAll(async () => {
  try {
    await daemon?.stop();
  } finally {
    await server?.[Symbol.asyncDispose]();
    rmSync(place, { recursive: true, force: true });
  }
}, 60_000);

type Files = Readonly<Record<string, string | { readonly mode: number; readonly text: string }>>;

function context(dockerfile: string, files: Files = {}): string {
  const directory = join(place, `c${++count}`);
  for (const [name, content] of Object.entries<Files[string]>({ Dockerfile: dockerfile, ...files })) {
    const path = join(directory, name);
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, typeof content === 'string' ? content : content.text);
    chmodSync(path, typeof content === 'string' ? 0o644 : content.mode);
  }
  return directory;
}

const build = (dockerfile: string, files: Files = {}, ...args: string[]) =>
  daemon.client('tare', ['build', ...args, context(dockerfile, files)]);

/** What a shell says in a container of what is built. */
async function says(dockerfile: string, script: string, files: Files = {}): Promise<string> {
  const image = `language:${++count}`;
  const { code, stdout, stderr } = await build(dockerfile, files, '-t', image);
  if (code !== 0) throw new Error(`${stdout}\n${stderr}`);
  return await daemon.ok('tare', ['run', '--rm', '--net=none', '--entrypoint', 'sh', image, '-c', script]);
}

test('modes: octal, symbolic, of directories', async () => {
  const said = await says(
    `FROM busybox
COPY --chmod=750 dir /octal/
COPY --chmod=u=rwX,go=rX dir /symbolic/
COPY --chmod=a-w,+x dir/plain /one
`,
    'cd / && stat -c "%a %n" octal/plain octal/sub symbolic/plain symbolic/run symbolic/sub one',
    { 'dir/plain': { mode: 0o600, text: 'x' }, 'dir/run': { mode: 0o700, text: 'x' }, 'dir/sub/x': 'x' },
  );
  expect(said.trim().split('\n')).toEqual([
    '750 octal/plain',
    '750 octal/sub',
    '644 symbolic/plain',
    '755 symbolic/run',
    '755 symbolic/sub',
    '511 one',
  ]);
}, 60_000);

test('--parents with and without a pivot, --exclude with an exception', async () => {
  const files = { 'a/b/c.txt': 'c', 'a/b/d.md': 'd', 'a/e/keep.md': 'e', 'a/e/f.txt': 'f' };
  const said = await says(
    `FROM busybox
COPY --parents a/*/*.txt /all/
COPY --parents a/./b/c.txt /cut/
COPY --exclude=**/*.md --exclude=!e/keep.md a /out/
`,
    'cd / && find all cut out -type f | sort',
    files,
  );
  expect(said.trim().split('\n')).toEqual([
    ...['all/a/b/c.txt', 'all/a/e/f.txt', 'cut/b/c.txt'],
    ...['out/b/c.txt', 'out/e/f.txt', 'out/e/keep.md'],
  ]);
}, 60_000);

test('here-documents: a script of its own, several files, variables and quotes', async () => {
  const said = await says(
    `FROM busybox
ARG WHO=you
RUN <<"EOF"
#!/bin/awk -f
BEGIN { print "awk" > "/made" }
EOF
COPY --chmod=700 <<one.sh <<-'two' /files/
#!/bin/sh
echo "hello $WHO" \\$HOME
one.sh
	$WHO
	two
`,
    'cat /made; cat /files/two; HOME=/h /files/one.sh; stat -c %a /files/two',
  );
  expect(said.trim().split('\n')).toEqual(['awk', '$WHO', 'hello you /h', '700']);
}, 60_000);

test('a stage that comes later, numbers, an image, a variable in an image’s name', async () => {
  const said = await says(
    `ARG BASE=busybox
FROM \${BASE}:latest AS first
COPY --from=later /x /from-later
COPY --from=busybox /bin/busybox /from-image
FROM scratch AS later
COPY file /x
FROM first
COPY --from=1 /x /from-number
`,
    'cd / && cat from-later from-number && ls from-image',
    { file: 'text\n' },
  );
  expect(said.trim().split('\n')).toEqual(['text', 'text', 'from-image']);
}, 60_000);

test('ADD of a repository: a tag, a folder, .git when it is wanted, the commit that it has to be', async () => {
  const { ids, url } = await server.repository('lang', [
    { files: { 'a.txt': 'one', 'sub/run': { run: 'r' } }, tag: 'v1' },
    { files: { 'a.txt': 'two' } },
  ]);
  const said = await says(
    `FROM busybox
ADD ${url}#v1 /tag
ADD ${url}#:sub /sub
ADD --keep-git-dir --chown=5:6 ${url} /kept/
ADD --checksum=${ids[1]} --exclude=sub ${url} /checked
`,
    'cd / && cat tag/a.txt checked/a.txt; echo; ls sub checked; ls -d kept/.git/HEAD; stat -c "%u %g %a" kept/a.txt sub/run',
  );
  expect(said.trim().split('\n')).toEqual([
    ...['onetwo', 'checked:', 'a.txt', '', 'sub:', 'run', 'kept/.git/HEAD'],
    ...['5 6 644', '0 0 755'],
  ]);
  const wrong = await build(`FROM busybox\nADD --checksum=${ids[0]} ${url} /x\n`);
  expect(wrong.stderr).toContain(`is at commit ${ids[1]} (expected: ${ids[0]})`);
  expect(wrong.stderr).toContain('2 | >>> ADD --checksum=');
}, 90_000);

test('a repository is a context, with ref and folder', async () => {
  const { url } = await server.repository('context', [
    {
      files: { 'app/Dockerfile': 'FROM busybox\nCOPY . /app\n', 'app/one': '1', 'app/.dockerignore': 'two' },
      tag: 'v1',
    },
    { files: { 'app/one': 'later', 'app/two': '2' } },
  ]);
  await daemon.ok('tare', ['build', '-t', 'language:git', `${url}#v1:app`]);
  expect(await daemon.ok('tare', ['run', '--rm', 'language:git', 'cat', '/app/one'])).toBe('1');
  await daemon.ok('tare', ['build', '-t', 'language:git', `${url}#:app`]);
  const listed = await daemon.ok('tare', ['run', '--rm', 'language:git', 'ls', '-A', '/app']);
  expect(listed.trim().split('\n')).toEqual(['.dockerignore', 'Dockerfile', 'one']);
  const injected = await daemon.client('tare', ['build', `${url}#--upload-pack=touch /tmp/x`]);
  expect([injected.code === 0, injected.stderr]).toEqual([
    false,
    expect.stringContaining('invalid git address'),
  ]);
}, 90_000);

test('builds warn; with error=true they fail before anything runs', async () => {
  const warned = await build('FROM busybox\nCMD x\n', {}, '--build-arg', 'NONE=1', '-t', 'language:warned');
  expect(warned.code).toBe(0);
  expect(warned.stdout + warned.stderr).toContain('One or more build-args [NONE] were not consumed');
  expect(warned.stdout + warned.stderr).toContain('JSONArgsRecommended: JSON arguments recommended for CMD');
  const failed = await build(
    '# check=error=true\nFROM busybox\nRUN echo ran\nCMD x\n',
    {},
    '-t',
    'language:failed',
  );
  expect(failed.code).not.toBe(0);
  expect(failed.stderr).toContain('lint violation found for rules: JSONArgsRecommended');
  expect(failed.stderr).toContain('4 | >>> CMD x');
  expect(failed.stdout + failed.stderr).not.toContain('Running in');
}, 60_000);

test('what is from scratch has a PATH to add to', async () => {
  await build('FROM scratch\nENV PATH=$PATH:/more\n', {}, '-t', 'language:path');
  const [path] = JSON.parse(
    await daemon.ok('tare', ['inspect', '-f', '{{json .Config.Env}}', 'language:path']),
  );
  expect(path).toBe('PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/more');
}, 60_000);

test.each([
  ['FROM busybox\nRNU x\n', 2, 'unknown instruction: RNU (did you mean RUN?)'],
  ['FROM busybox AS a\nCOPY --from=b / /\nFROM a AS b\n', 2, 'circular dependency detected on stage: b'],
  [
    'FROM busybox AS builder\nFROM busybox\nCOPY --from=buidler / /\n',
    3,
    '(did you mean the stage builder?)',
  ],
  ['FROM busybox\nCOPY --from=4 / /\n', 2, 'invalid stage index 4'],
  ['FROM busybox\n\nCOPY \\\n  missing /\n', 3, 'not found'],
  ['FROM busybox\nUSER ${U:?say who}\n', 2, 'U: say who'],
])(
  '%j fails with line %p',
  async (dockerfile, line, message) => {
    const { code, stderr } = await build(dockerfile);
    expect(code).not.toBe(0);
    expect(stderr).toContain(message);
    expect(stderr).toContain(`${line} | >>> `);
  },
  60_000,
);
