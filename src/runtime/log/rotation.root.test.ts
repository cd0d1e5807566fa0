import { afterAll, expect, test } from 'bun:test';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { RuntimeFixture } from '../testing.ts';
import { readLog } from './read-log.ts';
import { rotateLog } from './rotate.ts';

const fixture = new RuntimeFixture();
afterAll(() => fixture.close());

const LINES = 600_000;
const ROTATE_AT = 512 * 1024;

async function read(path: string, follow: { ended: Promise<unknown> } | undefined): Promise<string> {
  const signal = new AbortController().signal;
  const parts: Uint8Array[] = [];
  const request = { stdout: true, stderr: true, since: 0n, until: 0n, tail: -1, follow, signal };
  for await (const { lines } of readLog(path, request)) for (const { data } of lines) parts.push(data);
  return Buffer.concat(parts).toString();
}

test('a loud container whose log is rotated all the time: a follower and a later reader miss nothing', async () => {
  const path = join(fixture.directory, 'loud.log');
  const id = await fixture.create(['sh', '-c', `seq 1 ${LINES}; printf end`], { logPath: path });
  const ended = fixture.exit(id);
  const following = read(path, { ended });
  await fixture.runtime.start(id);
  let rotations = 0;
  let over = false;
  void ended.then(() => {
    over = true;
  });
  while (!over) {
    if ((statSync(path, { throwIfNoEntry: false })?.size ?? 0) > ROTATE_AT) {
      rotateLog(path, 1000);
      await fixture.runtime.reopenLog(id).catch(() => {});
      rotations += 1;
    }
    await Bun.sleep(2);
  }
  const expected = `${Array.from({ length: LINES }, (_, index) => `${index + 1}\n`).join('')}end`;
  expect(rotations).toBeGreaterThan(1);
  expect((await following) === expected).toBe(true);
  expect((await read(path, undefined)) === expected).toBe(true);
  await fixture.runtime.delete(id);
}, 60_000);
