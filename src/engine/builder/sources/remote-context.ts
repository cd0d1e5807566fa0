import { readFile, rm } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { contextTar } from '../../../archive/context-tar.ts';
import { encodeTarHeader, tarEnd, tarPadding } from '../../../archive/tar-writer.ts';
import { TareError } from '../../../base/errors.ts';
import { newId } from '../../../base/ids.ts';
import { readIgnoreFile } from '../../../base/ignore-file.ts';
import { PathPatterns } from '../../../base/path-patterns.ts';
import { streamOf } from '../../../base/streams.ts';
import type { RemoteContext } from '../builder.ts';
import { insideContext } from '../context/inside-context.ts';
import { isArchive } from './archives.ts';
import { download } from './download.ts';
import { checkout } from './git.ts';
import { isGitAddress, parseGitAddress } from './git-address.ts';

/** The largest Dockerfile that an address may give alone, in bytes. */
const MAX_DOCKERFILE = 1024 * 1024;
const DOCKERFILE = 'Dockerfile';

/**
 * A build context from an address: a tar (plain or compressed), a Dockerfile alone, or a git repository, of which
 * `dockerfile` is sent whatever its ignore file says. It lies in `directory` until the stream has ended. Throws `invalid`
 * for other schemes, for link-local addresses and what is none of these, and what `download` and `checkout` throw.
 */
export async function remoteContext(
  address: string,
  directory: string,
  signal: AbortSignal,
  dockerfile = '',
): Promise<RemoteContext> {
  if (isGitAddress(address, true)) {
    refuseLinkLocal(address);
    return await repositoryContext(address, join(directory, newId()), signal, dockerfile || DOCKERFILE);
  }
  if (!/^https?:\/\//i.test(address)) {
    throw new TareError(
      'invalid',
      `unsupported build context ${address}: give an http, https or git address, as https://host/repository.git#ref:folder`,
    );
  }
  refuseLinkLocal(address);
  const { path, size } = await download(address, join(directory, newId()), signal);
  try {
    if (await isArchive(Bun.file(path).stream())) return { context: streamOf(archive(path)), dockerfile: '' };
    if (size > MAX_DOCKERFILE) {
      throw new TareError(
        'invalid',
        'what the address gives is neither a tar nor a Dockerfile of less than 1 MB',
      );
    }
    const text = await Bun.file(path).bytes();
    await rm(path);
    return { context: streamOf(dockerfileAlone(text)), dockerfile: DOCKERFILE };
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  }
}

/** The services that a cloud has beside a machine are no places of contexts. */
function refuseLinkLocal(address: string): void {
  const [, host = ''] = /^[a-z]+:\/\/(?:[^/@]*@)?(?:\[([^\]]*)\]|[^/:?#]*)/i.exec(address) ?? [];
  const [, plain = ''] = /^[a-z]+:\/\/(?:[^/@]*@)?([^/:?#[]*)/i.exec(address) ?? [];
  const named = host || plain;
  if (isIP(named) !== 0 && /^(169\.254\.|fe80:)/i.test(named)) {
    throw new TareError('invalid', `refusing to fetch a build context from the link-local address ${named}`);
  }
}

/** Links of the repository cannot lead out: contexts are read as they are unpacked, in a root of their own. */
async function repositoryContext(
  address: string,
  place: string,
  signal: AbortSignal,
  dockerfile: string,
): Promise<RemoteContext> {
  const remove = (): Promise<void> => rm(place, { recursive: true, force: true });
  try {
    const parsed = parseGitAddress(address);
    const keepGitDir = parsed.keepGitDir === true;
    const { path } = await checkout(parsed, { directory: place, keepGitDir, agent: undefined, signal });
    const rules = await ignoreRules(path, dockerfile);
    const always = [dockerfile, IGNORE_FILE];
    const tar = contextTar({ root: path, excluded: PathPatterns.parse(rules), always, added: [] });
    return { context: streamOf(removing(tar, remove)), dockerfile: '' };
  } catch (error) {
    await remove();
    throw error;
  }
}

const IGNORE_FILE = '.dockerignore';

async function ignoreRules(root: string, dockerfile: string): Promise<string[]> {
  for (const name of [`${dockerfile}${IGNORE_FILE}`, IGNORE_FILE]) {
    // A link could lead to a file of this machine.
    const found = await insideContext(root, name).catch(() => undefined);
    if (found !== undefined) return readIgnoreFile(await readFile(found, 'utf8'));
  }
  return [];
}

async function* removing(
  bytes: AsyncIterable<Uint8Array>,
  remove: () => Promise<void>,
): AsyncGenerator<Uint8Array> {
  try {
    yield* bytes;
  } finally {
    await remove();
  }
}

async function* archive(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* Bun.file(path).stream();
  } finally {
    await rm(path, { force: true });
  }
}

async function* dockerfileAlone(text: Uint8Array): AsyncGenerator<Uint8Array> {
  yield encodeTarHeader({ type: 'file', name: DOCKERFILE, size: text.byteLength });
  yield text;
  yield tarPadding(text.byteLength);
  yield tarEnd();
}
