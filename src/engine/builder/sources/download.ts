import { createHash } from 'node:crypto';
import { open, rm } from 'node:fs/promises';
import { posix } from 'node:path';
import { messageOf, TareError } from '../../../base/errors.ts';
import { checkRedirect } from './address-policy.ts';

/** A file that was fetched for ADD. */
export interface Download {
  /** The last part of the address's path; empty: it has none. */
  readonly name: string;
  /** Where it lies on the host. */
  readonly path: string;
  /** Bytes. */
  readonly size: number;
  /** `Last-Modified`, in seconds since the epoch; 0 without one. */
  readonly seconds: number;
  /** Of its bytes, hex. */
  readonly sha256: string;
}

export interface DownloadLimits {
  /** Bytes. */
  readonly maxBytes: number;
  /** Milliseconds without an answer, or without another byte of it. */
  readonly silence: number;
}

export const DOWNLOAD_LIMITS: DownloadLimits = { maxBytes: 20_000_000_000, silence: 60_000 };
const MAX_REDIRECTS = 10;

/**
 * Fetches an http or https address into the file `path`, which is new. Throws `invalid` with the server's status,
 * `forbidden` for redirects that lead to this machine, `timeout`, `exhausted` for more bytes than are taken,
 * `cancelled`; then no file is left.
 */
export async function download(
  address: string,
  path: string,
  signal: AbortSignal,
  limits: DownloadLimits = DOWNLOAD_LIMITS,
): Promise<Download> {
  const named = parsed(address);
  const clock = new Silence(limits.silence, signal);
  try {
    const response = await follow(named, clock);
    const { size, sha256 } = await save(response, named, path, clock, limits);
    const modified = Date.parse(response.headers.get('last-modified') ?? '');
    return {
      name: decoded(posix.basename(named.pathname)),
      path,
      size,
      seconds: Number.isNaN(modified) ? 0 : Math.floor(modified / 1000),
      sha256,
    };
  } catch (error) {
    await rm(path, { force: true });
    throw clock.explain(error, named);
  } finally {
    clock.stop();
  }
}

function parsed(address: string): URL {
  try {
    return new URL(address);
  } catch (error) {
    throw new TareError('invalid', `invalid address ${address}: ${messageOf(error)}`, error);
  }
}

function decoded(name: string): string {
  try {
    const text = decodeURIComponent(name);
    return text.includes('/') || text.includes('\0') ? name : text;
  } catch {
    return name;
  }
}

async function follow(named: URL, clock: Silence): Promise<Response> {
  let url = named;
  for (let count = 0; count <= MAX_REDIRECTS; count++) {
    // Plain bytes: a server that compresses on the way would change what a checksum says.
    const headers = { 'accept-encoding': 'identity' };
    const response = await fetch(url, { redirect: 'manual', signal: clock.signal, headers });
    clock.heard();
    const location = response.headers.get('location');
    if (response.status >= 300 && response.status < 400 && location !== null) {
      await response.body?.cancel();
      url = new URL(location, url);
      await checkRedirect(named, url);
      continue;
    }
    if (response.ok) return response;
    await response.body?.cancel();
    throw new TareError(
      'invalid',
      `failed to GET ${named.href} with status ${response.status} ${response.statusText}`.trimEnd(),
    );
  }
  throw new TareError('invalid', `failed to GET ${named.href}: more than ${MAX_REDIRECTS} redirects`);
}

async function save(
  response: Response,
  named: URL,
  path: string,
  clock: Silence,
  { maxBytes }: DownloadLimits,
): Promise<{ size: number; sha256: string }> {
  const hash = createHash('sha256');
  let size = 0;
  await using file = await open(path, 'wx', 0o600);
  for await (const piece of response.body ?? []) {
    clock.heard();
    size += piece.byteLength;
    if (size > maxBytes) {
      throw new TareError('exhausted', `${named.href} has more than the ${maxBytes} bytes that ADD takes`);
    }
    hash.update(piece);
    await file.writeFile(piece);
  }
  const promised = Number(response.headers.get('content-length') ?? size);
  if (response.headers.get('content-encoding') === null && promised !== size) {
    throw new TareError('corrupt', `${named.href} ended after ${size} of ${promised} bytes`);
  }
  return { size, sha256: hash.digest('hex') };
}

/** Ends a request when nothing is heard for too long, or the caller gives up. */
class Silence {
  readonly #after: number;
  readonly #caller: AbortSignal;
  readonly #own = new AbortController();
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(after: number, caller: AbortSignal) {
    this.#after = after;
    this.#caller = caller;
    this.heard();
  }

  get signal(): AbortSignal {
    return AbortSignal.any([this.#own.signal, this.#caller]);
  }

  heard(): void {
    this.stop();
    this.#timer = setTimeout(() => this.#own.abort(), this.#after);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  explain(error: unknown, named: URL): unknown {
    if (this.#caller.aborted) return new TareError('cancelled', `the download of ${named.href} was stopped`);
    if (this.#own.signal.aborted) {
      const seconds = this.#after / 1000;
      return new TareError('timeout', `failed to GET ${named.href}: nothing came for ${seconds} seconds`);
    }
    if (error instanceof TareError) return error;
    return new TareError('invalid', `failed to GET ${named.href}: ${messageOf(error)}`, error);
  }
}
