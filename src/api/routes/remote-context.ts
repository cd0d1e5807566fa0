import { isIP } from 'node:net';
import { messageOf, TareError } from '../../base/errors.ts';

/** The largest Dockerfile that an address may give alone, in bytes. */
const MAX_DOCKERFILE = 1024 * 1024;
const REMOTE_NAME = 'Dockerfile';

/**
 * A build context from an address: a tar (plain or compressed), or a Dockerfile alone, told apart by their first
 * bytes. Throws `invalid` for other schemes and addresses that are this machine's own business, and what the server says.
 */
export async function remoteContext(
  address: string,
  signal: AbortSignal,
): Promise<{ context: ReadableStream<Uint8Array>; dockerfile: string }> {
  if (!/^https?:\/\//.test(address) || /\.git(#|$)/.test(address)) {
    throw new TareError(
      'not-implemented',
      `a build context from ${address} is not supported: clone it and build the directory`,
    );
  }
  const url = new URL(address);
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  if (isIP(host) !== 0 && /^(169\.254\.|fe80:)/i.test(host)) {
    throw new TareError('invalid', `refusing to fetch a build context from the link-local address ${host}`);
  }
  let response: Response;
  try {
    response = await fetch(url, { signal });
  } catch (error) {
    throw new TareError('invalid', `failed to GET ${address}: ${messageOf(error)}`, error);
  }
  if (!response.ok || !response.body) {
    throw new TareError(
      'invalid',
      `failed to GET ${address} with status ${response.status} ${response.statusText}`,
    );
  }
  const reader = response.body.getReader();
  const first = await atLeast(reader, 512);
  if (looksLikeArchive(first)) return { context: rejoined(first, reader), dockerfile: '' };
  const text = await rest(first, reader);
  return {
    context: new Response(await dockerfileTar(text)).body as ReadableStream<Uint8Array>,
    dockerfile: REMOTE_NAME,
  };
}

type Reader = Pick<ReadableStreamDefaultReader<Uint8Array>, 'read' | 'cancel'>;

async function atLeast(reader: Reader, bytes: number): Promise<Buffer> {
  let head = Buffer.alloc(0);
  while (head.length < bytes) {
    const { done, value } = await reader.read();
    if (done) break;
    head = Buffer.concat([head, value]);
  }
  return head;
}

/** gzip, bzip2, xz, zstd by their magic numbers; a tar by the mark in its first header. */
function looksLikeArchive(head: Buffer): boolean {
  const hex = head.subarray(0, 6).toString('hex');
  return (
    ['1f8b', '425a68', 'fd377a585a00', '28b52ffd'].some((magic) => hex.startsWith(magic)) ||
    head.subarray(257, 262).toString('latin1') === 'ustar'
  );
}

function rejoined(head: Uint8Array, reader: Reader): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start: (controller) => controller.enqueue(head),
    async pull(controller) {
      const { done, value } = await reader.read();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    cancel: (reason) => reader.cancel(reason),
  });
}

async function rest(head: Buffer, reader: Reader): Promise<Buffer> {
  let whole = head;
  for (;;) {
    if (whole.length > MAX_DOCKERFILE) {
      await reader.cancel();
      throw new TareError(
        'invalid',
        'what the address gives is neither a tar nor a Dockerfile of less than 1 MB',
      );
    }
    const { done, value } = await reader.read();
    if (done) return whole;
    whole = Buffer.concat([whole, value]);
  }
}

/** A tar with one file in it: a header of ustar, as POSIX has it. */
async function dockerfileTar(text: Buffer): Promise<Blob> {
  const header = Buffer.alloc(512);
  header.write(REMOTE_NAME, 0);
  header.write('0000644\0', 100);
  header.write('0000000\0', 108);
  header.write('0000000\0', 116);
  header.write(`${text.length.toString(8).padStart(11, '0')}\0`, 124);
  header.write('00000000000\0', 136);
  header.write('        0', 148);
  header.write('ustar\x0000', 257);
  const sum = header.reduce((total, byte) => total + byte, 0);
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  const padding = Buffer.alloc((512 - (text.length % 512)) % 512);
  return new Blob([header, text, padding, Buffer.alloc(1024)]);
}
