import { expect, test } from 'bun:test';
import { BuildBoard } from './board.ts';

const WIDTH = 40;

function boardAt() {
  const clock = { now: 1000 };
  const board = new BuildBoard(() => clock.now);
  const say = (...streams: string[]) => streams.flatMap((stream) => board.take({ stream }, WIDTH));
  return { clock, board, say };
}

test('a step’s line is final when the next begins', () => {
  const { clock, say } = boardAt();
  expect(say('Step 1/2 : FROM busybox', '\n', ' ---> 0123456789ab\n')).toEqual([]);
  clock.now += 1260;
  expect(say('Step 2/2 : RUN true\n')).toEqual([' => [1/2] FROM busybox              1.3s']);
});

test('what came from the cache is marked', () => {
  const { say } = boardAt();
  say('Step 1/1 : RUN true\n', ' ---> Using cache\n', ' ---> 0123456789ab\n');
  expect(say('Successfully built 0123456789ab\n', 'Successfully tagged x:latest\n')).toEqual([
    ' => CACHED [1/1] RUN true           0.0s',
    'Successfully built 0123456789ab',
    'Successfully tagged x:latest',
  ]);
});

test('below the running step stand the last lines that it printed', () => {
  const { board, say } = boardAt();
  say('Step 1/1 : RUN make\n', ' ---> Running in 0123456789ab\n');
  say('one\ntwo\n', '\x1b[91mthr', 'ee\x1b[0m\n', 'half\rwhole\n', '\tfive\nsix\n', 'no end');
  expect(board.live(WIDTH)).toEqual([
    ' => [1/1] RUN make                  0.0s',
    ' => => two',
    ' => => three',
    ' => => whole',
    ' => =>     five',
    ' => => six',
    ' => => no end',
  ]);
});

test('a pull is shown in its step, a line a layer', () => {
  const { board, say } = boardAt();
  say('Step 1/1 : FROM x\n');
  board.take({ status: 'Pulling from x' }, WIDTH);
  board.take({ id: 'l1', status: 'Downloading', progress: '[=> ]' }, WIDTH);
  board.take({ id: 'l2', status: 'Waiting' }, WIDTH);
  board.take({ id: 'l1', status: 'Pull complete' }, WIDTH);
  expect(board.live(WIDTH).slice(1)).toEqual([
    ' => => Pulling from x',
    ' => => l1: Pull complete',
    ' => => l2: Waiting',
  ]);
});

test('lines are cut to the width', () => {
  const { board, say } = boardAt();
  say(`Step 1/1 : RUN ${'x'.repeat(100)}\n`, `${'宽'.repeat(100)}\n`);
  for (const line of board.live(WIDTH)) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(WIDTH);
  expect(board.live(WIDTH)[0]).toEndWith('x… 0.0s');
});

test('the builder’s notes are none of the step’s output', () => {
  const { board, say } = boardAt();
  say('Step 1/1 : RUN false\n', ' ---> Running in 0123456789ab\n', '\x1b[91mbad\n\x1b[0m');
  say(' ---> Removed intermediate container 0123456789ab\n');
  expect(board.fail(WIDTH).slice(1)).toEqual([' > bad']);
});

test('a failure shows all that the step said', () => {
  const { board, say } = boardAt();
  say('Step 1/1 : RUN false\n', ...Array.from({ length: 120 }, (_, index) => `line ${index}\n`), 'end');
  const lines = board.fail(WIDTH);
  expect(lines[0]).toBe(' => ERROR [1/1] RUN false           0.0s');
  expect(lines[1]).toBe(' > line 20');
  expect(lines.at(-1)).toBe(' > end');
  expect(board.live(WIDTH)).toEqual([]);
});
