import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { AddedFile } from '../../archive/context-items.ts';
import { readIgnoreFile } from '../../base/ignore-file.ts';
import { PathPatterns, PatternError } from '../../base/path-patterns.ts';
import { openProblem, stdinBody } from '../commands/archive-files.ts';
import { CommandFailure } from '../failure.ts';
import { type Dockerfile, findDockerfile, readDockerfile } from './dockerfile.ts';
import type { SourceDirectory } from './send-context.ts';
import { readStdinContext } from './stdin-context.ts';

/** What a build is made from. */
export interface BuildContext {
  /** A tar, perhaps compressed, for the request's body. */
  readonly body?: AsyncIterable<Uint8Array>;
  /** Where the daemon fetches it. */
  readonly remote?: string;
  /** Path of the Dockerfile in it; empty for the usual one. */
  readonly dockerfile: string;
  /** The directory that `body` is read from, for a daemon that keeps contexts. */
  readonly directory?: SourceDirectory & {
    readonly dockerfile: { readonly Name: string; readonly Text: string };
  };
}

const IGNORE_FILE = '.dockerignore';
const EVERYTHING = PathPatterns.parse(['**']);

/** `http://host/x.git#ref:folder` and what else docker takes for a repository. */
const isGitAddress = (place: string): boolean =>
  /^https?:\/\/.*\.git(#.+)?$/.test(place) || /^(git:\/\/|ssh:\/\/|git@|github\.com\/)/.test(place);

/**
 * Opens the context that a command line names: a directory, `-` for stdin, an address.
 * @param file the value of `--file`: a path, `-` for stdin, or empty
 * @param extent `rules`: of a directory only the Dockerfile and the ignore file
 * @throws CommandFailure in docker's words
 */
export async function openContext(
  place: string,
  file: string,
  extent: 'all' | 'rules' = 'all',
): Promise<BuildContext> {
  if (place === '-') return await stdinContext(file);
  if (existsSync(place)) return await directoryContext(place, file, extent);
  if (!isGitAddress(place) && !/^https?:\/\//.test(place)) {
    throw new CommandFailure(`unable to prepare context: path ${JSON.stringify(place)} not found`);
  }
  if (file === '-') {
    throw new CommandFailure(
      'a Dockerfile from stdin cannot be used with a context that the daemon fetches: fetch it first and give its folder',
    );
  }
  return { remote: place, dockerfile: file };
}

async function stdinContext(file: string): Promise<BuildContext> {
  if (file === '-') {
    throw new CommandFailure("invalid argument: can't use stdin for both build context and dockerfile");
  }
  const input = await readStdinContext(stdinBody());
  if ('archive' in input) return { body: input.archive, dockerfile: file };
  if (file !== '') {
    throw new CommandFailure(
      'unable to prepare context: ambiguous Dockerfile source: both stdin and flag correspond to Dockerfiles',
    );
  }
  const { tarOfFiles } = await import('../../archive/context-tar.ts');
  const tar = tarOfFiles([{ name: 'Dockerfile', content: input.dockerfile, seconds: now() }]);
  return { body: single(tar), dockerfile: 'Dockerfile' };
}

const now = (): number => Math.trunc(Date.now() / 1000);

async function* single(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

async function directoryContext(place: string, file: string, extent: 'all' | 'rules'): Promise<BuildContext> {
  const root = realpathSync(resolve(place));
  if (!statSync(root).isDirectory()) {
    throw new CommandFailure(`unable to prepare context: context must be a directory: ${root}`);
  }
  const found = file === '-' ? undefined : findDockerfile(root, file);
  const foreign =
    found === undefined
      ? await readAll(stdinBody())
      : found.inside === undefined
        ? readDockerfile(found.path)
        : undefined;
  const ignore = readIgnore(root, found);
  const added = addedFiles(root, ignore, foreign);
  const { contextTar } = await import('../../archive/context-tar.ts');
  const dockerfile = found?.inside ?? added[0]!.name;
  const text = foreign ?? readDockerfile(found!.path);
  return {
    directory: {
      root,
      excluded: ignore.patterns,
      rules: ignore.own === undefined ? '' : found!.named,
      dockerfile: {
        Name: found?.inside ?? (found === undefined ? 'Dockerfile' : basename(found.named)),
        Text: Buffer.from(text).toString('utf8'),
      },
    },
    body: contextTar({
      root,
      excluded: extent === 'all' ? ignore.patterns : EVERYTHING,
      always: [IGNORE_FILE, dockerfile],
      added,
    }),
    dockerfile,
  };
}

async function readAll(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

interface Ignore {
  readonly patterns: PathPatterns;
  /** Contents of the Dockerfile's own ignore file, which then counts in place of the context's. */
  readonly own?: string;
}

/** The rules for what stays out: of `NAME.dockerignore` beside the Dockerfile NAME, else of the context's file. */
function readIgnore(root: string, dockerfile: Dockerfile | undefined): Ignore {
  const own = dockerfile === undefined ? undefined : readText(`${dockerfile.named}${IGNORE_FILE}`);
  const text = own ?? readText(join(root, IGNORE_FILE)) ?? '';
  try {
    const patterns = PathPatterns.parse(readIgnoreFile(text));
    return own === undefined ? { patterns } : { patterns, own };
  } catch (error) {
    if (error instanceof PatternError) throw new CommandFailure(`error checking context: ${error.message}`);
    throw error;
  }
}

/** What the ignore file of a directory leaves out. @throws CommandFailure */
export function ignoreRules(root: string): PathPatterns {
  return readIgnore(root, undefined).patterns;
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOENT') return undefined;
    throw openProblem(path, error);
  }
}

/**
 * The files that the context gets besides its own. A Dockerfile from elsewhere comes first, under a name that nothing
 * has. The daemon takes Dockerfile and ignore file out again when the ignore file that was sent says so; so that has
 * the rules that count here.
 */
function addedFiles(root: string, ignore: Ignore, foreign: Uint8Array | undefined): AddedFile[] {
  const seconds = now();
  const rules = (text: string): AddedFile => ({ name: IGNORE_FILE, content: Buffer.from(text), seconds });
  if (foreign === undefined) {
    return ignore.own === undefined ? [] : [rules(`${ignore.own}\n${IGNORE_FILE}\n`)];
  }
  const name = `.dockerfile.${Buffer.from(crypto.getRandomValues(new Uint8Array(10))).toString('hex')}`;
  const theirs =
    ignore.own === undefined ? readText(join(root, IGNORE_FILE)) : `${ignore.own}\n${IGNORE_FILE}`;
  return [{ name, content: foreign, seconds }, rules(`${theirs ?? IGNORE_FILE}\n${name}\n`)];
}
