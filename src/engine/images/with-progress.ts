/** Hands a stream on and tells the bytes so far: at most ten times a second, and at the end. */
export async function* withProgress(
  source: AsyncIterable<Uint8Array>,
  report: (current: number) => void,
): AsyncGenerator<Uint8Array> {
  let current = 0;
  let last = 0;
  for await (const chunk of source) {
    yield chunk;
    current += chunk.byteLength;
    const now = performance.now();
    if (now - last < 100) continue;
    last = now;
    report(current);
  }
  report(current);
}
