import { describe, expect, test } from 'bun:test';
import { INITIAL_STATE } from './lifecycle.ts';
import type { Container } from './model.ts';
import { isLost, untilReceptive } from './young-process.ts';

const status = (blocked: string, ignored: string, caught: string) =>
  `Name:\tsh\nSigBlk:\t${blocked}\nSigIgn:\t${ignored}\nSigCgt:\t${caught}\nCapInh:\t0\n`;
const NONE = '0000000000000000';
/** Signal 15. */
const TERM = '0000000000004000';

describe('a signal is lost on a first process', () => {
  test('that does nothing about it', () => expect(isLost(status(NONE, NONE, NONE), 15)).toBe(true));
  test('that catches another one', () => expect(isLost(status(NONE, NONE, TERM), 2)).toBe(true));
  test.each([
    ['catches', status(NONE, NONE, TERM)],
    ['blocks', status(TERM, NONE, NONE)],
    ['ignores', status(NONE, TERM, NONE)],
  ])('but not on one that %s it', (_how, text) => expect(isLost(text, 15)).toBe(false));
  test('an ended process has no status to wait for', () => expect(isLost('', 15)).toBe(false));
});

describe('waiting', () => {
  const container = (startedAt: number, pidMode = ''): Container =>
    ({
      hostConfig: { pidMode },
      state: { ...INITIAL_STATE, status: 'running', pid: 7, startedAt },
    }) as unknown as Container;

  async function looks(of: Container, signal: number, ready: number): Promise<number> {
    let count = 0;
    await untilReceptive(of, signal, () => {
      count++;
      return count > ready ? status(NONE, NONE, TERM) : status(NONE, NONE, NONE);
    });
    return count;
  }

  test('ends when the handler is there', async () => {
    expect(await looks(container(Date.now()), 15, 2)).toBe(3);
  });
  test('ends although there is never a handler', async () => {
    expect(await looks(container(Date.now() - 280), 15, 1e9)).toBeGreaterThan(0);
  });
  test('is not for old processes, SIGKILL, nor where the process is no first one', async () => {
    expect(await looks(container(Date.now() - 1000), 15, 1e9)).toBe(0);
    expect(await looks(container(Date.now()), 9, 1e9)).toBe(0);
    expect(await looks(container(Date.now(), 'host'), 15, 1e9)).toBe(0);
    expect(await looks(container(Date.now(), 'container:x'), 15, 1e9)).toBe(0);
  });
});
