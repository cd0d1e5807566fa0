import { afterAll, beforeAll, expect, test } from 'bun:test';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HttpResponse } from '../client/http.ts';
import type { CommandContext } from '../context.ts';
import { saveBody } from './archive-files.ts';

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tare-save-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const answer = (body: AsyncIterable<Uint8Array>) => async () => ({ body }) as HttpResponse;
const save = (name: string, body: AsyncIterable<Uint8Array>) =>
  saveBody({} as CommandContext, join(folder, name), 'save image', answer(body));

/** Pieces of these lengths, some of them after a while, and what they are together. */
function pieces(lengths: readonly number[]): { body: AsyncIterable<Uint8Array>; whole: Buffer } {
  const whole = Buffer.from(
    Array.from({ length: lengths.reduce((sum, length) => sum + length, 0) }, (_, at) => (at * 31) & 0xff),
  );
  async function* body() {
    let at = 0;
    for (const [turn, length] of lengths.entries()) {
      if (turn % 97 === 0) await Bun.sleep(1);
      yield whole.subarray(at, at + length);
      at += length;
    }
  }
  return { body: body(), whole };
}

test.each([
  ['nothing', []],
  ['one small piece', [10]],
  ['many small ones', Array<number>(3000).fill(7)],
  ['large ones and a small end', [3_000_000, 1_048_576, 1, 2_000_000, 5]],
  ['a last piece right after a full batch', [...Array<number>(16).fill(65_536), 1]],
])('the file has all bytes: %s', async (_, lengths) => {
  const { body, whole } = pieces(lengths);
  await save('whole', body);
  expect(readFileSync(join(folder, 'whole')).equals(whole)).toBe(true);
});

test('a failure leaves the file that was there, and no half one', async () => {
  await save('kept', pieces([5]).body);
  async function* broken() {
    yield new Uint8Array(2_000_000);
    throw new Error('unexpected EOF');
  }
  await expect(save('kept', broken())).rejects.toThrow('unexpected EOF');
  expect(readFileSync(join(folder, 'kept')).byteLength).toBe(5);
  expect(readdirSync(folder).filter((name) => name.includes('partial'))).toEqual([]);
});

test('a full disk is told', async () => {
  const saving = saveBody({} as CommandContext, '/dev/full', 'save image', answer(pieces([5]).body));
  await expect(saving).rejects.toThrow('ENOSPC');
});

test('places that are no place for an archive', async () => {
  const failure = (path: string) =>
    saveBody({} as CommandContext, path, 'save image', () => Promise.reject(new Error('asked for'))).catch(
      (error: Error) => error.message,
    );
  expect(await failure(folder)).toBe('failed to save image: cannot write to a directory');
  expect(await failure(join(folder, 'no/where'))).toBe(
    `failed to save image: invalid output path: stat ${join(folder, 'no')}: no such file or directory`,
  );
  expect(existsSync(join(folder, 'no'))).toBe(false);
});
