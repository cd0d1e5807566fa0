import type { Codec } from './codec/codec.ts';
import { decode } from './codec/codec.ts';
import { HttpError } from './errors.ts';
import type { Exchange } from './exchange.ts';
import { jsonFault } from './json-fault.ts';

/** The largest JSON body that is read, in bytes. The largest that clients send are tens of kilobytes. */
export const MAX_JSON_BYTES = 8 * 1024 * 1024;

/** True when the request says that it has no body. */
function hasNoBody(x: Exchange): boolean {
  const { headers } = x.request;
  return headers['transfer-encoding'] === undefined && Number(headers['content-length'] ?? 0) === 0;
}

function checkContentType(x: Exchange): void {
  const given = x.request.headers['content-type'] ?? '';
  const type = (given.split(';')[0] ?? '').trim().toLowerCase();
  if (type === 'application/json') return;
  if (type === '' || !type.includes('/'))
    throw new HttpError(400, `malformed Content-Type header (${given})`);
  throw new HttpError(400, `unsupported Content-Type header (${given}): must be 'application/json'`);
}

/**
 * Reads a JSON body with `codec`; without a body gives the codec's zero value.
 * Throws with status 400 for another content type, invalid JSON or wrong types, and 413 for a body that is too
 * large, without having read more than the limit.
 */
export async function readJson<T>(x: Exchange, codec: Codec<T>, limit = MAX_JSON_BYTES): Promise<T> {
  if (hasNoBody(x)) return codec.zero();
  checkContentType(x);
  const text = await readText(x, limit);
  if (text.trim() === '') throw new HttpError(400, 'invalid JSON: got EOF while reading request body');
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new HttpError(400, jsonFault(text));
  }
  return decode(codec, json);
}

/** Like readJson, undefined when there is no body. */
export async function readOptionalJson<T>(x: Exchange, codec: Codec<T>): Promise<T | undefined> {
  return hasNoBody(x) ? undefined : await readJson(x, codec);
}

/** Like readJson, for endpoints that need a body. */
export async function requireJson<T>(x: Exchange, codec: Codec<T>, complaint: string): Promise<T> {
  if (hasNoBody(x)) throw new HttpError(400, complaint);
  return await readJson(x, codec);
}

/** Reads the whole body as text. Throws with status 413 beyond `limit` bytes. */
export function readText(x: Exchange, limit: number): Promise<string> {
  const { request } = x;
  const tooLarge = () => {
    x.closeAfterwards();
    return new HttpError(413, `request body too large: more than ${limit} bytes`);
  };
  if (Number(request.headers['content-length'] ?? 0) > limit) return Promise.reject(tooLarge());
  x.beginBody();
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    let size = 0;
    const onData = (chunk: Uint8Array) => {
      size += chunk.length;
      if (size > limit) {
        request.off('data', onData);
        request.pause();
        reject(tooLarge());
        return;
      }
      chunks.push(chunk);
    };
    request.on('data', onData);
    request.once('end', () => resolve(Buffer.concat(chunks).toString('utf8')));
    request.once('error', () => reject(new HttpError(400, 'the client went away while it sent its request')));
  });
}

/** The body as a stream with back-pressure; cancelling it stops the reading. */
export function bodyStream(x: Exchange): ReadableStream<Uint8Array> {
  const { request } = x;
  x.beginBody();
  let wake: (() => void) | undefined;
  let ended = false;
  let failure: Error | undefined;
  request.pause();
  const woken = () => {
    wake?.();
    wake = undefined;
  };
  request.on('readable', woken);
  request.once('end', () => {
    ended = true;
    woken();
  });
  const failed = () => {
    if (!request.complete || request.destroyed) {
      failure ??= new HttpError(400, 'the client went away while it sent its request');
    }
    woken();
  };
  request.once('error', failed);
  request.once('close', failed);
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        for (;;) {
          const chunk: Uint8Array | null = request.read();
          if (chunk !== null) return controller.enqueue(chunk);
          if (ended) return controller.close();
          if (failure !== undefined) throw failure;
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      },
      cancel() {
        request.pause();
        // The rest of the request is in the way of the next one.
        if (!ended && !x.begun) x.closeAfterwards();
      },
    },
    { highWaterMark: 0 },
  );
}
