import type { RootedTree } from '../../../archive/rooted/rooted.ts';
import { readTarMembers } from '../../../archive/tar-members.ts';
import { isKind, TareError } from '../../../base/errors.ts';
import { readIgnoreFile } from '../../../base/ignore-file.ts';
import { PathPatterns, PatternError } from '../../../base/path-patterns.ts';

/**
 * A client sends the Dockerfile and .dockerignore in any case, because they are needed; where the latter names them,
 * they are not part of the context. (The rest it leaves out itself.) Returns their paths.
 */
export async function ignoredFiles(tree: RootedTree, dockerfile: string): Promise<string[]> {
  let text: string;
  try {
    const { tar } = await tree.pack('/.dockerignore');
    text = await firstFile(tar);
  } catch {
    return [];
  }
  return [dockerfile, '.dockerignore'].filter((path) => isIgnored(text, path));
}

/** As the clients have it; a file that they would refuse leaves nothing out. */
function isIgnored(text: string, path: string): boolean {
  try {
    return PathPatterns.parse(readIgnoreFile(text)).match(path).matched;
  } catch (error) {
    if (error instanceof PatternError) return false;
    throw error;
  }
}

/** The Dockerfile's text, by its path in the context. Throws `invalid` when it is not there or empty. */
export async function readDockerfile(tree: RootedTree, path: string): Promise<string> {
  const absent = (error: unknown): TareError =>
    new TareError('invalid', `Cannot locate specified Dockerfile: ${path}`, error);
  try {
    const status = await tree.stat(`/${path}`);
    const { tar } = await tree.pack(status.linkTarget || `/${path}`);
    const text = await firstFile(tar);
    if (text === '') throw new TareError('invalid', `the Dockerfile (${path}) cannot be empty`);
    return text;
  } catch (error) {
    throw isKind(error, 'not-found') ? absent(error) : error;
  }
}

/** The text of a tar's first file; empty without one. The tar is read to its end. */
export async function firstFile(tar: AsyncIterable<Uint8Array>): Promise<string> {
  let text: string | undefined;
  for await (const { entry, body } of readTarMembers(tar)) {
    if (text !== undefined || entry.type !== 'file') continue;
    const pieces: Uint8Array[] = [];
    for await (const piece of body) pieces.push(new Uint8Array(piece));
    text = Buffer.concat(pieces).toString('utf8');
  }
  return text ?? '';
}
