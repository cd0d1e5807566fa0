import { afterAll, describe, expect, test } from 'bun:test';
import { randomBytes } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { BlockGzip } from './block-gzip.ts';

const encoder = new BlockGzip(2);
afterAll(() => encoder.close());

async function encoded(chunks: readonly Uint8Array[], level?: number): Promise<Buffer> {
  const source = (async function* () {
    yield* chunks;
  })();
  return Buffer.concat(await Array.fromAsync(encoder.encode(source, level)));
}

/** Half noise, half text, over several blocks. */
const INPUT = Buffer.concat([randomBytes(1_500_000), Buffer.from('layer '.repeat(500_000))]);

/** `.rejects` of Bun holds the thread while it waits, and then no Worker's answer comes in. */
function failureOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'none',
    (error: Error) => error.message,
  );
}

describe('block gzip', () => {
  test('any gunzip gives the input again', async () => {
    const bytes = await encoded([INPUT]);
    expect(gunzipSync(bytes).equals(INPUT)).toBe(true);
    expect(bytes.byteLength).toBeLessThan(INPUT.byteLength / 2);
    const gzip = Bun.spawn(['gzip', '-dc'], { stdin: bytes, stdout: 'pipe' });
    expect(Buffer.from(await new Response(gzip.stdout).arrayBuffer()).equals(INPUT)).toBe(true);
  });

  test('the bytes depend on the input and the level only, not on how it comes', async () => {
    const pieces: Buffer[] = [];
    for (let at = 0; at < INPUT.byteLength; at += 77_777) pieces.push(INPUT.subarray(at, at + 77_777));
    const [whole, cut, low] = await Promise.all([encoded([INPUT]), encoded(pieces), encoded([INPUT], 1)]);
    expect(cut.equals(whole)).toBe(true);
    expect(low.equals(whole)).toBe(false);
    expect(gunzipSync(low).equals(INPUT)).toBe(true);
  });

  test('blocks that do not compress are stored, others beside them are not', async () => {
    const noise = randomBytes(1 << 20);
    const mixed = Buffer.concat([randomBytes(512 * 1024), Buffer.alloc(512 * 1024, 'text ')]);
    const [stored, both] = await Promise.all([encoded([noise]), encoded([noise, mixed])]);
    expect(stored.includes(noise.subarray(100, 1100))).toBe(true);
    expect(both.subarray(0, stored.byteLength).equals(stored)).toBe(true);
    expect(both.byteLength).toBeLessThan(stored.byteLength + 600 * 1024);
    expect(gunzipSync(both).equals(Buffer.concat([noise, mixed]))).toBe(true);
  });

  test('nothing is one empty member', async () => {
    expect(gunzipSync(await encoded([])).byteLength).toBe(0);
    expect((await encoded([])).byteLength).toBeGreaterThan(0);
  });

  test('an error of the source comes through, and the threads are free for others', async () => {
    const broken = (async function* () {
      yield INPUT;
      throw new Error('unreadable');
    })();
    expect(await failureOf(Array.fromAsync(encoder.encode(broken)))).toContain('unreadable');
    expect(gunzipSync(await encoded([INPUT])).equals(INPUT)).toBe(true);
  });

  test('who leaves early leaves nothing behind', async () => {
    let closed = false;
    const endless = (async function* () {
      try {
        for (;;) yield INPUT;
      } finally {
        closed = true;
      }
    })();
    for await (const member of encoder.encode(endless)) {
      expect(member.byteLength).toBeGreaterThan(0);
      break;
    }
    expect(closed).toBe(true);
  });

  test('closing ends what is under way', async () => {
    const own = new BlockGzip(1);
    const all = Array.fromAsync(own.encode(new Blob([INPUT, INPUT]).stream()));
    await Bun.sleep(1);
    own.close();
    expect(await failureOf(all)).toContain('the compression was ended');
    await all.catch(() => {});
  });
});
