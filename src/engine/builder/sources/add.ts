import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { readTarMembers } from '../../../archive/tar-members.ts';
import { isKind, TareError } from '../../../base/errors.ts';
import { FileType } from '../../../kernel/files.ts';
import type { SourceTree } from '../copier.ts';
import { type CopyRequest, type InlineFile, type PathTest, splitPattern } from '../copy-request.ts';
import { isArchive } from './archives.ts';
import { type Download, download } from './download.ts';
import { checkout, checkoutTar } from './git.ts';
import { isGitAddress, parseGitAddress } from './git-address.ts';

/** What an ADD brings, looked at: what is copied as it is, and what is unpacked. */
export interface Added {
  /** With downloads as inline files; the archives of the context are still among the sources. */
  readonly whole: CopyRequest;
  /** The same without the archives: what is copied as it is. */
  readonly request: CopyRequest;
  readonly archives: readonly Archive[];
  /** What the cache key needs to know besides the digest of `whole`. */
  readonly key: string;
  /** Removes the downloads. */
  readonly close: () => Promise<void>;
}

export interface Archive {
  /** The bytes as they are in the context, compressed or not. */
  readonly open: () => AsyncIterable<Uint8Array>;
  /** --chown and --chmod are for it; what a tar says of its members counts more. */
  readonly isRepository: boolean;
}

const REMOTE = /^https?:\/\//i;

/** True for what names no path of the context. */
export function isRemote(source: string): boolean {
  return REMOTE.test(source) || isGitAddress(source);
}

/**
 * Fetches what an ADD names by address and finds the archives among its files; a repository is an archive of its files.
 * `scratch`: directory for what is fetched. `agent`: path of an ssh agent's socket, for repositories. Throws `invalid` for what cannot be had and for a wrong checksum; then nothing is left.
 */
export async function addSources(
  request: CopyRequest,
  tree: SourceTree,
  scratch: string,
  signal: AbortSignal,
  agent?: () => Promise<string | undefined>,
): Promise<Added> {
  checkRemotes(request);
  const directory = await mkdtemp(join(scratch, 'd-'));
  const close = (): Promise<void> => rm(directory, { recursive: true, force: true });
  try {
    const found = new Findings();
    for (const [index, source] of request.sources.entries()) {
      if (!isRemote(source)) {
        await found.local(source, request, tree);
        continue;
      }
      const place = join(directory, String(index));
      if (isGitAddress(source)) {
        await found.repository(source, request, { directory: place, agent: await agent?.(), signal });
        continue;
      }
      const fetched = await download(source, place, signal);
      checkSum(request.checksum, fetched, source);
      await found.remote(fetched, request, source);
    }
    const inline = [...request.inline, ...found.files];
    const local = request.sources.filter((source) => !isRemote(source));
    return {
      whole: { ...request, sources: local, inline },
      request: { ...request, sources: found.plain, inline },
      archives: found.archives,
      key: JSON.stringify([request.unpack, found.digests]),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function checkRemotes({ sources, checksum }: CopyRequest): void {
  if (checksum === '') return;
  const [source = ''] = sources;
  if (sources.length !== 1)
    throw new TareError('invalid', "checksum can't be specified for multiple sources");
  if (!isRemote(source)) {
    throw new TareError('invalid', "checksum can't be specified for non-HTTP(S) sources");
  }
  const isGit = isGitAddress(source);
  if (isGit ? /^[0-9a-f]{7,64}$/.test(checksum) : /^sha256:[0-9a-f]{64}$/.test(checksum)) return;
  const form = isGit ? 'it is the id of a commit' : 'it is sha256: and 64 hexadecimal digits';
  throw new TareError('invalid', `invalid checksum ${checksum}: ${form}`);
}

function checkSum(checksum: string, { sha256 }: Download, source: string): void {
  if (checksum === '' || checksum === `sha256:${sha256}`) return;
  throw new TareError('invalid', `digest mismatch for ${source}: sha256:${sha256} (expected: ${checksum})`);
}

/** Collects what the sources turn out to be. */
class Findings {
  readonly plain: string[] = [];
  readonly files: InlineFile[] = [];
  readonly archives: Archive[] = [];
  /** Of downloads that are unpacked: nothing else tells of them in the key. */
  readonly digests: string[] = [];

  async remote(fetched: Download, { unpack, destination }: CopyRequest, source: string): Promise<void> {
    const read = (): AsyncIterable<Uint8Array> => createReadStream(fetched.path);
    if (unpack === true && (await isArchive(read()))) {
      this.digests.push(fetched.sha256);
      this.archives.push({ open: read, isRepository: false });
      return;
    }
    if (fetched.name === '' && destination.endsWith('/')) {
      throw new TareError(
        'invalid',
        `cannot determine filename from url: ${source}: name it in the destination`,
      );
    }
    const { name, size, seconds, sha256 } = fetched;
    this.files.push({
      name,
      content: '',
      file: { size, seconds, sha256, mode: 0o600, read, path: fetched.path },
    });
  }

  async repository(
    source: string,
    { checksum, keepGitDir = false, exclude }: CopyRequest,
    place: { readonly directory: string; readonly agent: string | undefined; readonly signal: AbortSignal },
  ): Promise<void> {
    const named = parseGitAddress(source);
    const address = checksum === '' ? named : { ...named, commit: checksum };
    const keep = named.keepGitDir ?? keepGitDir;
    const { path, commit } = await checkout(address, { ...place, keepGitDir: keep });
    this.digests.push(`${commit}:${named.subdirectory}:${keep}`);
    this.archives.push({ open: () => checkoutTar(path, exclude), isRepository: true });
  }

  async local(source: string, { unpack }: CopyRequest, tree: SourceTree): Promise<void> {
    const named = unpack === false ? [] : await namedBy(source, tree);
    const others: string[] = [];
    for (const { path, isFile } of named) {
      if (isFile && (await isArchive(fileBytes(tree, path)))) {
        this.archives.push({ open: () => fileBytes(tree, path), isRepository: false });
      } else others.push(path);
    }
    this.plain.push(...(others.length === named.length ? [source] : others));
  }
}

interface Named {
  readonly path: string;
  readonly isFile: boolean;
}

/** What a source names itself; not what is in directories that it names. */
async function namedBy(source: string, tree: SourceTree): Promise<Named[]> {
  const { base, pattern } = splitPattern(source);
  try {
    if (pattern) return await matches(base, pattern, tree);
    const status = await tree.stat(base);
    if ((status.mode & FileType.MASK) !== FileType.LINK) return [{ path: base, isFile: isFile(status.mode) }];
    const target = await tree.stat(status.linkTarget);
    return [{ path: status.linkTarget, isFile: isFile(target.mode) }];
  } catch (error) {
    // The copy says what is missing.
    if (isKind(error, 'not-found')) return [];
    throw error;
  }
}

function isFile(mode: number): boolean {
  return (mode & FileType.MASK) === FileType.FILE;
}

async function matches(base: string, pattern: PathTest, tree: SourceTree): Promise<Named[]> {
  const found: Named[] = [];
  const { tar } = await tree.pack(base);
  const top = posix.basename(base);
  for await (const { entry } of readTarMembers(tar)) {
    const name = entry.name.replace(/^\/+|\/+$/g, '');
    const inner = base === '/' ? name : name.slice(top.length + 1);
    if (pattern(inner)) found.push({ path: posix.join(base, inner), isFile: entry.type === 'file' });
  }
  return found;
}

/** The bytes of one file of a tree. */
async function* fileBytes(tree: SourceTree, path: string): AsyncGenerator<Uint8Array> {
  const { tar } = await tree.pack(path);
  for await (const { entry, body } of readTarMembers(tar)) if (entry.type === 'file') yield* body;
}
