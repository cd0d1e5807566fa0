import { describe, expect, test } from 'bun:test';
import { UndoStack } from './dispose.ts';
import { LineLogger } from './log.ts';
import { KeyedMutex } from './mutex.ts';
import { parseSignal, signalName } from './signals.ts';

describe('parseSignal', () => {
  test.each([
    ['SIGTERM', 15],
    ['term', 15],
    ['9', 9],
    ['RTMIN', 34],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
  ])('%p is %p', (text, number) => expect(parseSignal(text)).toBe(number));
  test.each(['0', '65', 'SIGNOPE', '', '-1', 'RTMIN-1'])('%p is refused', (text) => {
    expect(() => parseSignal(text)).toThrow(`invalid signal: ${text}`);
  });
  test('names', () => {
    expect(signalName(9)).toBe('SIGKILL');
    expect(signalName(40)).toBe('40');
  });
});

test('UndoStack runs in reverse, goes on after a failure, and forgets on commit', async () => {
  const calls: string[] = [];
  const stack = new UndoStack();
  stack.push(() => void calls.push('a'));
  stack.push(() => {
    throw new Error('b');
  });
  stack.push(() => void calls.push('c'));
  await stack.unwind((error) => calls.push((error as Error).message));
  expect(calls).toEqual(['c', 'b', 'a']);
  stack.push(() => void calls.push('never'));
  stack.commit();
  await stack.unwind();
  expect(calls).toHaveLength(3);
});

test('KeyedMutex keeps the order per key and survives a throwing body', async () => {
  const mutex = new KeyedMutex();
  const calls: number[] = [];
  const first = mutex.run('k', async () => {
    await Bun.sleep(5);
    calls.push(1);
    throw new Error('x');
  });
  const second = mutex.run('k', async () => void calls.push(2));
  const other = mutex.run('other', async () => void calls.push(0));
  await expect(first).rejects.toThrow('x');
  await Promise.all([second, other]);
  expect(calls).toEqual([0, 1, 2]);
});

test('LineLogger writes logfmt at and above its level', () => {
  const lines: string[] = [];
  const log = new LineLogger('warn', (line) => lines.push(line));
  log.info('no');
  log.warn('careful', { id: 'a b', n: 1 });
  log.setLevel('debug');
  log.debug('yes');
  expect(lines).toHaveLength(2);
  expect(lines[0]).toContain('level=warn msg="careful" id="a b" n=1\n');
});
