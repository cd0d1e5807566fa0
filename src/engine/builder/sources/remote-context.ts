import { rm } from 'node:fs/promises';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { encodeTarHeader, tarEnd, tarPadding } from '../../../archive/tar-writer.ts';
import { TareError } from '../../../base/errors.ts';
import { newId } from '../../../base/ids.ts';
import { streamOf } from '../../../base/streams.ts';
import type { RemoteContext } from '../builder.ts';
import { isArchive } from './archives.ts';
import { download } from './download.ts';

/** The largest Dockerfile that an address may give alone, in bytes. */
const MAX_DOCKERFILE = 1024 * 1024;
const DOCKERFILE = 'Dockerfile';

/**
 * A build context from an address: a tar (plain or compressed), or a Dockerfile alone. It lies in `directory` until
 * the stream has ended. Throws `not-implemented` for git and other schemes, `invalid` for link-local addresses and
 * what is neither, and what `download` throws.
 */
export async function remoteContext(
  address: string,
  directory: string,
  signal: AbortSignal,
): Promise<RemoteContext> {
  if (!/^https?:\/\//.test(address) || /\.git(#|$)/.test(address)) {
    throw new TareError(
      'not-implemented',
      `a build context from ${address} is not supported: clone it and build the directory`,
    );
  }
  const host = new URL(address).hostname.replace(/^\[(.*)\]$/, '$1');
  if (isIP(host) !== 0 && /^(169\.254\.|fe80:)/i.test(host)) {
    throw new TareError('invalid', `refusing to fetch a build context from the link-local address ${host}`);
  }
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
