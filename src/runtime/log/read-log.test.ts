import { afterEach, beforeEach, describe, expect, test } from 'bun:test';
import { appendFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { compressRotated } from './compress.ts';
import { criNanos, parseCriLine, utcTime } from './cri.ts';
import type { LogLine } from './line-joiner.ts';
import type { LogMark } from './log-files.ts';
import { type ReadLogRequest, readLog } from './read-log.ts';
import { rotateLog } from './rotate.ts';

let directory: string;
let path: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tare-log-'));
  path = join(directory, 'container.log');
});
afterEach(() => rmSync(directory, { recursive: true }));

const at = (second: number): string => `2026-01-02T03:04:${String(second).padStart(2, '0')}.000000007+00:00`;
const entry = (second: number, text: string, stream = 'stdout', tag = 'F'): string =>
  `${at(second)} ${stream} ${tag} ${text}\n`;

const ALL: ReadLogRequest = {
  stdout: true,
  stderr: true,
  since: 0n,
  until: 0n,
  tail: -1,
  follow: undefined,
  signal: new AbortController().signal,
};

const texts = (lines: readonly LogLine[]): string[] => lines.map(({ data }) => Buffer.from(data).toString());

async function read(part: Partial<ReadLogRequest> = {}): Promise<string[]> {
  const lines: string[] = [];
  const request: ReadLogRequest = { ...ALL, ...part };
  for await (const batch of readLog(path, request)) {
    lines.push(...texts(batch.lines));
  }
  return lines;
}

describe('CRI lines', () => {
  test('are parsed, damaged ones are not', () => {
    const line = parseCriLine(Buffer.from(entry(5, 'a b', 'stderr', 'P')));
    expect(line).toMatchObject({ stream: 'stderr', time: at(5), partial: true });
    expect(Buffer.from(line?.data ?? []).toString()).toBe('a b');
    for (const bad of ['', 'x', '2026 stdout F', `${at(1)} stdfoo F x`, `${at(1)} stdout`]) {
      expect(parseCriLine(Buffer.from(bad))).toBeUndefined();
    }
  });

  test('times', () => {
    expect(utcTime(at(5))).toBe('2026-01-02T03:04:05.000000007Z');
    expect(utcTime('2026-01-02T03:04:05.5+02:00')).toBe('2026-01-02T01:04:05.5Z');
    const second = BigInt(Date.parse('2026-01-02T03:04:05Z')) * 1_000_000n;
    expect(criNanos('2026-01-02T03:04:05.25+00:00') - second).toBe(250_000_000n);
    expect(criNanos('2026-01-02T05:04:05.000000001+02:00') - second).toBe(1n);
  });
});

describe('readLog', () => {
  test('joins the pieces of a line per stream and keeps an unfinished end', async () => {
    writeFileSync(
      path,
      entry(1, 'a', 'stdout', 'P') + entry(1, 'E', 'stderr') + entry(1, 'b') + entry(2, 'end', 'stdout', 'P'),
    );
    expect(await read()).toEqual(['E\n', 'ab\n', 'end']);
    expect(await read({ stderr: false })).toEqual(['ab\n', 'end']);
  });

  test('cuts a line without end into records', async () => {
    const piece = 'x'.repeat(4096);
    writeFileSync(path, entry(1, piece, 'stdout', 'P').repeat(9) + entry(1, ''));
    expect((await read()).map((line) => line.length)).toEqual([16_384, 16_384, 4097]);
  });

  test('since and until', async () => {
    writeFileSync(path, [1, 2, 3, 4].map((second) => entry(second, String(second))).join(''));
    const moment = (second: number): bigint => criNanos(at(second));
    expect(await read({ since: moment(2), until: moment(3) })).toEqual(['2\n', '3\n']);
    expect(await read({ since: moment(3), tail: 5 })).toEqual(['3\n', '4\n']);
  });

  test('tail counts lines backwards, over rotated files and by stream', async () => {
    writeFileSync(`${path}.2`, entry(1, '1') + entry(1, '2'));
    writeFileSync(`${path}.1`, entry(1, '3') + entry(1, 'E', 'stderr'));
    writeFileSync(path, entry(1, '4a', 'stdout', 'P') + entry(1, '4b') + entry(1, 'open', 'stdout', 'P'));
    expect(await read()).toEqual(['1\n', '2\n', '3\n', 'E\n', '4a4b\n', 'open']);
    expect(await read({ tail: 1 })).toEqual(['open']);
    expect(await read({ tail: 2 })).toEqual(['4a4b\n', 'open']);
    expect(await read({ tail: 4, stderr: false })).toEqual(['2\n', '3\n', '4a4b\n', 'open']);
    expect(await read({ tail: 100 })).toHaveLength(6);
    expect(await read({ tail: 0 })).toEqual([]);
  });

  test('tail over blocks of many lines', async () => {
    const lines = Array.from({ length: 20_000 }, (_, index) => entry(1, `line ${index}`));
    writeFileSync(path, lines.join(''));
    for (const tail of [1, 1000, 19_999, 20_000]) {
      const result = await read({ tail });
      expect(result).toHaveLength(tail);
      expect(result[0]).toBe(`line ${20_000 - tail}\n`);
    }
  });

  test('following loses nothing over rotations and ends with the writer', async () => {
    writeFileSync(path, entry(1, '0'));
    const ended = Promise.withResolvers<void>();
    const reading = read({ follow: { ended: ended.promise } });
    for (let index = 1; index <= 60; index++) {
      if (index % 20 === 0) {
        rotateLog(path, 3);
        // What the monitor still writes before it opens the new file.
        appendFileSync(`${path}.1`, entry(1, String(index)));
        writeFileSync(path, '');
      } else {
        appendFileSync(path, entry(1, String(index)));
      }
      if (index % 7 === 0) await Bun.sleep(5);
    }
    await Bun.sleep(20);
    appendFileSync(path, entry(1, 'last', 'stdout', 'P'));
    ended.resolve();
    expect(await reading).toEqual([...Array.from({ length: 61 }, (_, index) => `${index}\n`), 'last']);
  });

  test('following ends when the reader goes away, and waits for a file that is not there yet', async () => {
    const controller = new AbortController();
    const reading = read({ follow: { ended: new Promise(() => {}) }, signal: controller.signal });
    await Bun.sleep(10);
    writeFileSync(path, entry(1, 'a'));
    await Bun.sleep(50);
    controller.abort();
    expect(await reading).toEqual(['a\n']);
  });

  test('the writer ended right after a rotation: there is no current file', async () => {
    writeFileSync(`${path}.2`, entry(1, '1'));
    writeFileSync(`${path}.1`, entry(1, '2'));
    expect(await read()).toEqual(['1\n', '2\n']);
    expect(await read({ tail: 1 })).toEqual(['2\n']);
    expect(await read({ follow: { ended: Promise.resolve() } })).toEqual(['1\n', '2\n']);
  });

  test('compressed files are read as the others, forwards, backwards and by a follower that lags', async () => {
    writeFileSync(`${path}.3`, entry(1, '1') + entry(1, '2'));
    writeFileSync(`${path}.2`, entry(2, '3'));
    writeFileSync(`${path}.1`, entry(3, '4'));
    writeFileSync(path, entry(4, '5'));
    const lagging = readLog(path, { ...ALL, follow: { ended: Promise.resolve() } });
    const first = await lagging.next();
    await compressRotated(path);
    expect(readdirSync(directory).sort()).toEqual([
      'container.log',
      'container.log.1',
      'container.log.2.gz',
      'container.log.3.gz',
    ]);
    const rest: string[] = [];
    if (!first.done) rest.push(...texts(first.value.lines));
    for await (const { lines } of lagging) rest.push(...texts(lines));
    expect(rest).toEqual(['1\n', '2\n', '3\n', '4\n', '5\n']);
    expect(await read()).toEqual(rest);
    expect(await read({ tail: 4 })).toEqual(rest.slice(1));
    rotateLog(path, 4);
    expect(await read()).toEqual(['3\n', '4\n', '5\n']);
  });

  test('a place outlives rotation and compressing; one that is gone is the oldest', async () => {
    writeFileSync(path, entry(1, 'a') + entry(1, 'b', 'stdout', 'P'));
    const marks: LogMark[] = [];
    for await (const { next } of readLog(path, ALL)) marks.push(next);
    appendFileSync(path, entry(1, 'c'));
    for (const second of [2, 3]) {
      rotateLog(path, 4);
      writeFileSync(path, entry(second, String(second)));
    }
    await compressRotated(path);
    expect(await read({ from: marks[0] })).toEqual(['bc\n', '2\n', '3\n']);
    rotateLog(path, 2);
    expect(await read({ from: marks[0] })).toEqual(['3\n']);
  });

  test('no file at all', async () => expect(await read()).toEqual([]));
});
