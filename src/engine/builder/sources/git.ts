import { chmod, lstat, lutimes, mkdir, readdir, realpath, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { contextTar } from '../../../archive/context-tar.ts';
import { TareError } from '../../../base/errors.ts';
import { PathPatterns } from '../../../base/path-patterns.ts';
import { checkRedirect, checkServerNamed } from './address-policy.ts';
import type { GitAddress } from './git-address.ts';
import { type Git, gitProgram } from './git-program.ts';

/** A repository's files at one commit. */
export interface Checkout {
  /** The directory that is meant. */
  readonly path: string;
  /** Full id. */
  readonly commit: string;
}

export interface CheckoutOptions {
  /** A directory for this checkout alone; made here. */
  readonly directory: string;
  readonly keepGitDir: boolean;
  /** Path of an ssh agent's socket; undefined: there is none. */
  readonly agent: string | undefined;
  readonly signal: AbortSignal;
}

/** Of submodules within submodules. */
const MAX_DEPTH = 10;

/**
 * Fetches one commit of a repository, its submodules too. Nothing of this machine's git configuration counts, no program
 * is run for the repository (no hooks, no `ext::`), and files come over http, https, git and ssh only. What the server
 * names (redirects, submodules) must not be on this machine unless the address itself is. Modes are 0644, 0755 and links;
 * times are the commit's. Throws `invalid` with git's words, `forbidden` by the policy, `cancelled`.
 */
export async function checkout(address: GitAddress, options: CheckoutOptions): Promise<Checkout> {
  const { directory, signal } = options;
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const tree = join(directory, 'tree');
  await mkdir(tree, { mode: 0o755 });
  const git = gitProgram({ home: directory, agent: options.agent, signal });
  const remote = await finalAddress(address.remote, signal);
  await git(tree, ['init', '--quiet', '--initial-branch=main']);
  await git(tree, ['remote', 'add', '--', 'origin', remote]);
  await fetchCommit(git, tree, address);
  await git(tree, ['checkout', '--quiet', '--force', '--detach', 'FETCH_HEAD', '--']);
  const commit = (await git(tree, ['rev-parse', 'HEAD'])).trim();
  const expected = address.commit;
  if (!commit.startsWith(expected)) {
    throw new TareError('invalid', `${address.remote} is at commit ${commit} (expected: ${expected})`);
  }
  const seconds = Number(await git(tree, ['log', '-1', '--format=%ct', 'HEAD']));
  if (address.submodules) await submodules(git, tree, address.remote, 1);
  if (options.keepGitDir) await git(tree, ['remote', 'set-url', '--', 'origin', address.remote]);
  else await dropGitDirectories(tree);
  await settle(tree, seconds);
  return { path: await within(tree, address.subdirectory), commit };
}

/** Branches and tags by their tip alone; a commit that the server does not give by its id is looked for in all. */
async function fetchCommit(git: Git, tree: string, { remote, ref }: GitAddress): Promise<void> {
  const wanted = ref === '' ? 'HEAD' : ref;
  const shallow = ['fetch', '--quiet', '--depth=1', '--no-tags', '--', 'origin', wanted];
  const isCommit = /^[0-9a-f]{7,64}$/.test(wanted);
  try {
    await git(tree, shallow);
  } catch (error) {
    if (!isCommit || !(error instanceof TareError) || error.kind !== 'invalid')
      throw notFetched(error, remote, ref);
    const all = ['+refs/heads/*:refs/remotes/origin/*', '+refs/tags/*:refs/tags/*'];
    await git(tree, ['fetch', '--quiet', '--', 'origin', ...all]);
    const id = await git(tree, [
      'rev-parse',
      '--verify',
      '--quiet',
      '--end-of-options',
      `${wanted}^{commit}`,
    ]).catch(() => {
      throw new TareError('invalid', `${remote} has no commit ${wanted}`);
    });
    await git(tree, ['update-ref', 'FETCH_HEAD', id.trim()]);
  }
}

function notFetched(error: unknown, remote: string, ref: string): unknown {
  if (!(error instanceof TareError) || error.kind !== 'invalid') return error;
  if (/couldn't find remote ref/i.test(error.message)) {
    return new TareError('invalid', `repository ${remote} does not contain ref ${ref || 'HEAD'}`, error);
  }
  return new TareError('invalid', `failed to fetch remote ${remote}: ${error.message}`, error);
}

/**
 * Where an http address leads. Redirects are followed here, since git would follow them anywhere; git itself is told not
 * to.
 */
async function finalAddress(remote: string, signal: AbortSignal): Promise<string> {
  if (!/^https?:/i.test(remote)) return remote;
  const query = '/info/refs?service=git-upload-pack';
  const named = new URL(remote);
  let base = remote.replace(/\/+$/, '');
  for (let count = 0; count < 10; count++) {
    const response = await fetch(base + query, { redirect: 'manual', signal }).catch((error) => {
      if (signal.aborted) throw new TareError('cancelled', 'the build was stopped');
      throw new TareError('invalid', `failed to fetch remote ${remote}: ${error.message}`, error);
    });
    await response.body?.cancel();
    const location = response.headers.get('location');
    if (response.status < 300 || response.status >= 400 || location === null) return base;
    const next = new URL(location, base + query);
    await checkRedirect(named, next);
    if (!next.href.endsWith(query)) {
      throw new TareError('invalid', `failed to fetch remote ${remote}: it redirects to ${next.href}`);
    }
    base = next.href.slice(0, -query.length);
  }
  throw new TareError('invalid', `failed to fetch remote ${remote}: more than 10 redirects`);
}

async function submodules(git: Git, tree: string, parent: string, depth: number): Promise<void> {
  const listed = await git(tree, [
    'config',
    '--null',
    '--file',
    '.gitmodules',
    '--get-regexp',
    '\\.url$',
  ]).catch(() => '');
  const modules = listed.split('\0').filter((entry) => entry !== '');
  if (modules.length === 0) return;
  if (depth > MAX_DEPTH)
    throw new TareError('invalid', `${parent} has submodules more than ${MAX_DEPTH} deep`);
  for (const entry of modules) {
    const url = entry.slice(entry.indexOf('\n') + 1);
    // Relative ones are on the server that was named.
    if (!url.startsWith('./') && !url.startsWith('../')) await checkServerNamed(parent, url);
  }
  await git(tree, ['submodule', '--quiet', 'update', '--init', '--depth=1']);
  const paths = await git(tree, ['config', '--null', '--file', '.gitmodules', '--get-regexp', '\\.path$']);
  for (const entry of paths.split('\0').filter((one) => one !== '')) {
    const path = entry.slice(entry.indexOf('\n') + 1);
    const inner = await within(tree, path).catch(() => undefined);
    if (inner !== undefined && inner !== (await realpath(tree)))
      await submodules(git, inner, parent, depth + 1);
  }
}

/** The true path of a directory in the repository. Throws `invalid` when links lead out of it. */
async function within(tree: string, path: string): Promise<string> {
  const root = await realpath(tree);
  const found = await realpath(join(root, posix.join('/', path))).catch(() => undefined);
  if (found === undefined) throw new TareError('invalid', `subdirectory ${path} is not in the repository`);
  if (found !== root && !found.startsWith(`${root}/`)) {
    throw new TareError('invalid', `subdirectory ${path} leads out of the repository`);
  }
  if (!(await lstat(found)).isDirectory()) {
    throw new TareError('invalid', `subdirectory ${path} is no directory`);
  }
  return found;
}

/** `.git` of the repository and of its submodules. */
async function dropGitDirectories(tree: string): Promise<void> {
  for (const entry of await readdir(tree, { recursive: true, withFileTypes: true })) {
    if (entry.name === '.git') await rm(join(entry.parentPath, entry.name), { recursive: true, force: true });
  }
}

/** Modes and times that depend on the commit alone. */
async function settle(directory: string, seconds: number): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await settle(path, seconds);
    else {
      if (entry.isFile()) await chmod(path, (await lstat(path)).mode & 0o100 ? 0o755 : 0o644);
      await lutimes(path, seconds, seconds);
    }
  }
  await chmod(directory, 0o755);
  await lutimes(directory, seconds, seconds);
}

/** A checkout's files as a tar, all root's. */
export function checkoutTar(path: string, exclude: readonly string[]): AsyncGenerator<Uint8Array> {
  return contextTar({ root: path, excluded: PathPatterns.parse(exclude), always: [], added: [] });
}
