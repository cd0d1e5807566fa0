import type { Exchange } from './exchange.ts';

/**
 * Sends a stream of bytes as the answer, at the client's pace. A failure in the middle drops the connection, so
 * that the client cannot take the half for the whole.
 */
export async function pipeTar(
  x: Exchange,
  bytes: ReadableStream<Uint8Array>,
  contentType: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const { signal } = x;
  const reader = bytes.getReader();
  try {
    let next = await reader.read();
    x.begin(200, { 'Content-Type': contentType, ...headers });
    for (; !next.done && !signal.aborted; next = await reader.read()) await x.write(next.value);
    if (!signal.aborted) x.response.end();
  } finally {
    // Tells the source to stop when the client went away; after the end it does nothing.
    await reader.cancel().catch(() => {});
  }
}
