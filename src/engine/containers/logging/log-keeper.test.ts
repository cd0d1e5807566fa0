import { afterEach, beforeEach, expect, test } from 'bun:test';
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { LineLogger } from '../../../base/log.ts';
import { Inotify, Watch } from '../../../kernel/inotify.ts';
import type { Container } from '../model.ts';
import { LogKeeper } from './log-keeper.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tare-keeper-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 1000) throw new Error('it never came');
    await Bun.sleep(5);
  }
}

test('a log that was quiet is rotated soon after it grew; one of an ended container is left alone', async () => {
  const path = join(directory, 'log');
  writeFileSync(path, '');
  const status = { status: 'running' };
  const logConfig = { type: 'json-file', config: { 'max-size': '1k', 'max-file': '2', compress: 'true' } };
  const container = { id: 'c', state: status, hostConfig: { logConfig } } as unknown as Container;
  const writes = new Inotify();
  const calls: string[] = [];
  let waiting = 0;
  const keeper = new LogKeeper({
    container: () => container,
    path: () => path,
    onWrite: (file, listener) => {
      waiting++;
      return writes.once(file, Watch.MODIFY, listener);
    },
    rotate: async (id, _, files) => {
      calls.push(`rotate ${id} ${files}`);
      writeFileSync(path, '');
    },
    compress: async () => void calls.push('compress'),
    log: new LineLogger('error', () => {}),
  });
  try {
    keeper.keep('c');
    await until(() => waiting === 1);
    appendFileSync(path, 'x'.repeat(500));
    await until(() => waiting === 2);
    expect(calls).toEqual([]);
    appendFileSync(path, 'x'.repeat(600));
    await until(() => calls.length === 2);
    expect(calls).toEqual(['rotate c 2', 'compress']);
    await until(() => waiting === 3);
    keeper.drop('c');
    appendFileSync(path, 'x'.repeat(2000));
    await Bun.sleep(50);
    expect(calls).toHaveLength(2);
  } finally {
    keeper.close();
    writes.close();
  }
});
