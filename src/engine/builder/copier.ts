import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import type { RootedTree } from '../../archive/rooted/rooted.ts';
import { encodeTarHeader, tarPadding } from '../../archive/tar-writer.ts';
import { isKind, TareError } from '../../base/errors.ts';
import { streamOf } from '../../base/streams.ts';
import { FileType } from '../../kernel/files.ts';
import { type Attributes, digestOf, ended, type Rename, rewriteTar } from './context/copy-tar.ts';
import { type CopyRequest, globTest, type InlineFile, type PathTest, splitPattern } from './copy-request.ts';

/** Where COPY takes files from: the context, or the root of an image. */
export type SourceTree = Pick<RootedTree, 'stat' | 'pack'>;

/** Where it puts them. */
export interface TargetTree {
  /** Throws `not-found`. */
  stat(path: string): Promise<{ readonly mode: number }>;
  /** Unpacks into an existing directory. */
  put(path: string, tar: ReadableStream<Uint8Array>): Promise<void>;
}

/** One thing that is copied: a path, and what of its tar goes where below the destination. */
interface Part {
  readonly path: string;
  /** By names as they are in the path's tar; relative to the destination directory. */
  readonly rename: Rename;
}

interface Plan {
  /** Existing or to be made. */
  readonly directory: string;
  readonly parts: readonly Part[];
  readonly inline: readonly InlineFile[];
}

/** Hex digest of all that a COPY brings, for its cache key. Throws `invalid` when a source is not there. */
export async function copyDigest(
  request: CopyRequest,
  source: SourceTree,
  attributes: Attributes,
): Promise<string> {
  const hash = createHash('sha256');
  const plan = await planOf(request, source, false);
  for (const { path, rename } of plan.parts) {
    const { tar } = await source.pack(path);
    hash.update(`${await digestOf(tar, rename, attributes)}\n`);
  }
  hash.update(JSON.stringify(plan.inline.map(({ name, content, file }) => [name, content, file?.sha256])));
  return hash.digest('hex');
}

/** Copies into the target. */
export async function copyInto(
  request: CopyRequest,
  source: SourceTree,
  target: TargetTree,
  attributes: Attributes,
): Promise<void> {
  const isDirectory = await isExistingDirectory(target, request.destination);
  const plan = await planOf(request, source, isDirectory);
  const { base, missing } = await deepestDirectory(target, plan.directory);
  const below = missing.length === 0 ? '' : `${missing.join('/')}/`;
  async function* members(): AsyncGenerator<Uint8Array> {
    yield* directories(missing, { uid: attributes.uid, gid: attributes.gid });
    for (const { path, rename } of plan.parts) {
      const { tar } = await source.pack(path);
      yield* rewriteTar(
        tar,
        (name) => {
          const renamed = rename(name);
          return renamed === undefined || renamed === '' ? undefined : below + renamed;
        },
        attributes,
      );
    }
    for (const file of plan.inline) yield* inlineMember(file, below, attributes);
  }
  await target.put(base, streamOf(ended(members())));
}

/** Makes a directory with all above it that are missing: root's, mode 0755. */
export async function ensureDirectory(
  target: TargetTree,
  path: string,
  owner?: { readonly uid: number; readonly gid: number },
): Promise<void> {
  const { base, missing } = await deepestDirectory(target, path);
  if (missing.length > 0) await target.put(base, streamOf(ended(directories(missing, owner))));
}

async function* directories(
  names: readonly string[],
  owner?: { readonly uid: number; readonly gid: number },
): AsyncGenerator<Uint8Array> {
  for (let depth = 1; depth <= names.length; depth++) {
    const name = names.slice(0, depth).join('/');
    yield encodeTarHeader({ type: 'directory', name, mode: 0o755, ...owner });
  }
}

async function* inlineMember(
  { name, content, file }: InlineFile,
  below: string,
  { uid, gid, mode = file?.mode ?? 0o644 }: Attributes,
): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(content);
  const size = file?.size ?? bytes.length;
  const seconds = file?.seconds ?? 0;
  yield encodeTarHeader({ type: 'file', name: below + name, size, seconds, uid, gid, mode });
  if (file) yield* file.read();
  else yield bytes;
  yield tarPadding(size);
}

async function planOf(request: CopyRequest, source: SourceTree, isDirectory: boolean): Promise<Plan> {
  const { destination, sources, inline, exclude, parents } = request;
  const excluded = exclude.map((pattern) => globTest(pattern.replace(/^\//, '')));
  const found: Array<{ path: string; directory: boolean; pattern: PathTest | undefined }> = [];
  for (const given of sources) {
    const { base, pattern } = splitPattern(given);
    found.push({ ...(await followed(source, base, given)), pattern });
  }
  const count = found.length + inline.length;
  const many = count > 1 || found.some(({ pattern }) => pattern !== undefined);
  if (count > 1 && !destination.endsWith('/') && !isDirectory) {
    throw new TareError(
      'invalid',
      'When using COPY with more than one source file, the destination must be a directory and end with a /',
    );
  }
  const intoDirectory =
    destination.endsWith('/') || isDirectory || many || parents || found.some(({ directory }) => directory);
  const directory = intoDirectory ? destination : posix.dirname(destination);
  const last = posix.basename(destination);
  const parts = found.map(({ path, directory: whole, pattern }): Part => {
    const top = posix.basename(path);
    const prefix = parents ? `${(whole ? path : posix.dirname(path)).slice(1)}/`.replace(/^\//, '') : '';
    const rename: Rename = (name) => {
      // Members of a directory are named for it; the root's are not.
      const inner = whole && path !== '/' ? (name === top ? '' : name.slice(top.length + 1)) : name;
      if (excluded.some((pattern) => pattern(inner))) return undefined;
      if (pattern) return matchedName(inner, pattern);
      if (whole) return prefix + inner;
      return intoDirectory ? prefix + name : last;
    };
    return { path, rename };
  });
  const renamed = inline.map((file) => (intoDirectory ? file : { ...file, name: last }));
  return { directory, parts, inline: renamed };
}

/** What a pattern's match is called: a file by its own name, what is in a matched directory without that. */
function matchedName(inner: string, pattern: PathTest): string | undefined {
  const names = inner.split('/');
  for (let depth = 1; depth <= names.length; depth++) {
    if (!pattern(names.slice(0, depth).join('/'))) continue;
    return depth === names.length ? (names.at(-1) ?? '') : names.slice(depth).join('/');
  }
  return undefined;
}

/** A source's path, with a link at its end followed. Throws `invalid` in BuildKit's words. */
async function followed(
  source: SourceTree,
  path: string,
  given: string,
): Promise<{ path: string; directory: boolean }> {
  const isDirectory = (mode: number): boolean => (mode & FileType.MASK) === FileType.DIRECTORY;
  try {
    const status = await source.stat(path);
    if ((status.mode & FileType.MASK) !== FileType.LINK) return { path, directory: isDirectory(status.mode) };
    const target = await source.stat(status.linkTarget);
    return { path: status.linkTarget, directory: isDirectory(target.mode) };
  } catch (error) {
    if (!isKind(error, 'not-found')) throw error;
    throw new TareError(
      'invalid',
      `failed to compute cache key: failed to calculate checksum of ref: ${JSON.stringify(`/${given.replace(/^\//, '')}`)}: not found`,
      error,
    );
  }
}

async function isExistingDirectory(target: TargetTree, path: string): Promise<boolean> {
  try {
    const { mode } = await target.stat(path.endsWith('/') ? path : `${path}/`);
    return (mode & FileType.MASK) === FileType.DIRECTORY;
  } catch (error) {
    if (isKind(error, 'not-found', 'invalid')) return false;
    throw error;
  }
}

/** The deepest directory of a path that is there, and the names that are to be made below it. */
async function deepestDirectory(
  target: TargetTree,
  path: string,
): Promise<{ base: string; missing: string[] }> {
  const names = path.split('/').filter((name) => name !== '');
  for (let depth = names.length; depth > 0; depth--) {
    const base = `/${names.slice(0, depth).join('/')}`;
    if (await isExistingDirectory(target, base)) return { base, missing: names.slice(depth) };
  }
  return { base: '/', missing: names };
}
