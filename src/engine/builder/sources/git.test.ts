import { afterAll, beforeAll, beforeEach, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readFileSync, readlinkSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { GitServer } from '../../../../test/support/git-server.ts';
import { readTarMembers } from '../../../archive/tar-members.ts';
import { checkout } from './git.ts';
import { parseGitAddress } from './git-address.ts';
import { remoteContext } from './remote-context.ts';

let server: GitServer;
let ids: string[];
let url: string;
let place: string;
beforeAll(async () => {
  server = new GitServer();
  place = mkdtempSync('/tmp/tare-checkout-');
  ({ ids, url } = await server.repository('app', [
    { files: { 'a.txt': 'one\n', 'sub/b.txt': 'b\n' }, tag: 'v1' },
    {
      files: {
        'a.txt': 'two\n',
        'sub/run.sh': { run: '#!/bin/sh\n' },
        link: { link: 'a.txt' },
        out: { link: '/etc' },
        '.dockerignore': 'sub\n!sub/b.txt\nDockerfile\n',
        Dockerfile: 'FROM scratch\n',
      },
      branch: 'main',
    },
    { files: { 'a.txt': 'three\n' }, branch: 'feature/x' },
  ]));
}, 60_000);
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  rmSync(place, { recursive: true, force: true });
}, 60_000);
beforeEach(() => {
  server.answer = undefined;
});

let count = 0;
const fetched = (text: string, keepGitDir = false) =>
  checkout(parseGitAddress(text), {
    directory: join(place, String(count++)),
    keepGitDir,
    agent: undefined,
    signal: new AbortController().signal,
  });
const refusal = (text: string) => fetched(text).then(() => 'nothing', String);

test('what HEAD is, a tag, a branch and a commit', async () => {
  const cases = [
    ['', ids[2], 'three\n'],
    ['#v1', ids[0], 'one\n'],
    ['?tag=v1', ids[0], 'one\n'],
    ['#main', ids[1], 'two\n'],
    ['#feature/x', ids[2], 'three\n'],
    [`#${ids[1]}`, ids[1], 'two\n'],
    [`#${ids[0]!.slice(0, 10)}`, ids[0], 'one\n'],
  ] as const;
  for (const [suffix, id, content] of cases) {
    const { commit, path } = await fetched(url + suffix);
    expect([suffix, commit, readFileSync(join(path, 'a.txt'), 'utf8')]).toEqual([suffix, id!, content]);
  }
}, 60_000);

test('modes, links and times are those of the commit; .git is left out unless it is wanted', async () => {
  const { path } = await fetched(`${url}#main`);
  expect(statSync(join(path, 'a.txt')).mode & 0o7777).toBe(0o644);
  expect(statSync(join(path, 'sub/run.sh')).mode & 0o7777).toBe(0o755);
  expect(readlinkSync(join(path, 'link'))).toBe('a.txt');
  expect(statSync(join(path, 'a.txt')).mtimeMs).toBe(Date.parse('2020-01-02T03:04:05Z'));
  expect(existsSync(join(path, '.git'))).toBe(false);
  expect(existsSync(join((await fetched(`${url}#main`, true)).path, '.git', 'HEAD'))).toBe(true);
}, 60_000);

test('a subdirectory, but none that links lead out to', async () => {
  const { path } = await fetched(`${url}#main:sub`);
  expect(readFileSync(join(path, 'b.txt'), 'utf8')).toBe('b\n');
  expect(await refusal(`${url}#main:none`)).toContain('subdirectory none is not in the repository');
  expect(await refusal(`${url}#main:out`)).toContain('subdirectory out leads out of the repository');
  expect(await refusal(`${url}#main:a.txt`)).toContain('subdirectory a.txt is no directory');
}, 60_000);

test('what is not there, or is another commit', async () => {
  expect(await refusal(`${url}#nothing`)).toContain(`repository ${url} does not contain ref nothing`);
  expect(await refusal(`${server.origin}/none.git`)).toContain('failed to fetch remote');
  expect(await refusal(`${url}#${'a'.repeat(40)}`)).toContain('has no commit');
  expect(await refusal(`${url}?tag=v1&commit=${ids[1]}`)).toContain(
    `is at commit ${ids[0]} (expected: ${ids[1]})`,
  );
}, 60_000);

test('submodules on the same server come too', async () => {
  const { work, git } = await server.repository('outer', [{ files: { x: 'x' } }]);
  await git('submodule', '--quiet', 'add', '../app.git', 'inner');
  await git('config', '--file', '.gitmodules', 'submodule.inner.url', '../app.git');
  await git('commit', '--quiet', '--all', '--message', 'submodule');
  await git('push', '--quiet', join(server.place, 'outer.git'), 'HEAD:main');
  rmSync(work, { recursive: true });
  const { path } = await fetched(`${server.origin}/outer.git`);
  expect(readFileSync(join(path, 'inner/a.txt'), 'utf8')).toBe('three\n');
  expect(existsSync(join(path, 'inner/.git'))).toBe(false);
  expect(
    existsSync(join((await fetched(`${server.origin}/outer.git?submodules=false`)).path, 'inner/a.txt')),
  ).toBe(false);
}, 60_000);

test.each([
  ['ext::sh -c "touch /tmp/tare-git-owned"', 'no http, https, git or ssh address'],
  ['file:///etc', 'no http, https, git or ssh address'],
  ['/etc', 'no http, https, git or ssh address'],
  ['ssh://-oProxyCommand=touch/x', 'no http, https, git or ssh address'],
])(
  'the submodule %s is refused',
  async (address, message) => {
    const name = `evil${count++}`;
    await server.repository(name, [
      {
        files: { '.gitmodules': `[submodule "x"]\n\tpath = x\n\turl = ${address.replaceAll('"', '\\"')}\n` },
      },
    ]);
    expect(await refusal(`${server.origin}/${name}.git`)).toContain(message);
    expect(existsSync('/tmp/tare-git-owned')).toBe(false);
  },
  60_000,
);

test('redirects are followed, but not to this machine from elsewhere', async () => {
  server.answer = (path) =>
    path.startsWith('/old.git')
      ? Response.redirect(`${server.origin}/app.git/info/refs?service=git-upload-pack`)
      : undefined;
  expect((await fetched(`${server.origin}/old.git`)).commit).toBe(ids[2]!);
  server.answer = (path) =>
    path.startsWith('/old.git')
      ? Response.redirect('http://169.254.169.254/x.git/info/refs?service=git-upload-pack')
      : undefined;
  expect(await refusal(`${server.origin}/old.git`)).toContain('refusing to follow a redirect');
}, 60_000);

test('a stopped build stops git', async () => {
  server.answer = () => new Response(new ReadableStream({ start() {} }));
  const stop = new AbortController();
  setTimeout(() => stop.abort(), 300);
  const directory = join(place, String(count++));
  const options = { directory, keepGitDir: false, agent: undefined, signal: stop.signal };
  const outcome = await checkout(parseGitAddress(url), options).then(
    () => 'nothing',
    (error) => error.kind,
  );
  expect(outcome).toBe('cancelled');
}, 30_000);

test('a repository as a context: its ignore file counts, but for the Dockerfile', async () => {
  const directory = mkdtempSync(join(place, 'context-'));
  const { context } = await remoteContext(`${url}#main`, directory, new AbortController().signal);
  const names: string[] = [];
  for await (const { entry } of readTarMembers(context)) names.push(entry.name.replace(/\/$/, ''));
  expect(names.sort()).toEqual(['.dockerignore', 'Dockerfile', 'a.txt', 'link', 'out', 'sub', 'sub/b.txt']);
}, 60_000);
