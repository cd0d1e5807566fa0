import { expect, test } from 'bun:test';
import type { ProgressMessage } from '../../wire/errors.ts';
import { progressBar, showProgress } from './progress.ts';

async function show(terminal: boolean, ...messages: ProgressMessage[]): Promise<string> {
  let out = '';
  const console = {
    out(data: string | Uint8Array) {
      out += data;
    },
    err() {},
  };
  async function* all() {
    yield* messages;
  }
  await showProgress(all(), console, terminal);
  return out;
}

test('the bar fits the terminal', () => {
  expect(progressBar({ current: 25, total: 100 }, 120)).toBe(
    `[${'='.repeat(12)}>${' '.repeat(38)}]      25B/100B`,
  );
  expect(progressBar({ current: 1500, total: 0 }, 120)).toBe('   1.5kB');
  expect(progressBar({ current: 5, total: 10 }, 80)).toBe('      5B/10B');
  expect(progressBar({ current: 5, total: 10 }, 40)).toBe('');
  expect(progressBar({}, 120)).toBe('');
});

test('in a pipe: one line a change, none for the bars', async () => {
  const detail = { current: 1, total: 2 };
  expect(
    await show(
      false,
      { id: 'a', status: 'Downloading', progressDetail: {} },
      { id: 'a', status: 'Downloading', progressDetail: detail },
      { id: 'a', status: 'Pull complete' },
      { status: 'Status: done' },
      { stream: 'Loaded image: x\n' },
    ),
  ).toBe('a: Downloading\na: Pull complete\nStatus: done\nLoaded image: x\n');
});

test('on a terminal a line is rewritten in its place', async () => {
  const out = await show(
    true,
    { id: 'a', status: 'one' },
    { id: 'b', status: 'two' },
    { id: 'a', status: 'three' },
  );
  expect(out).toBe(
    '\n\x1b[1A\x1b[2K\ra: one\r\x1b[1B\n\x1b[1A\x1b[2K\rb: two\r\x1b[1B\x1b[2A\x1b[2K\ra: three\r\x1b[2B',
  );
});

test('a failure has the daemon’s words', async () => {
  expect(
    show(false, { status: 'x' }, { error: 'e', errorDetail: { message: 'no space left' } }),
  ).rejects.toThrow('no space left');
  await Bun.sleep(0);
});
