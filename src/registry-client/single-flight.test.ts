import { expect, test } from 'bun:test';
import { TareError } from '../base/errors.ts';
import { Semaphore } from '../base/semaphore.ts';
import { SingleFlight } from './single-flight.ts';

const never = new AbortController().signal;
const nothing = () => {};

test('one run serves all who ask at the same time, and all hear of its progress', async () => {
  const flights = new SingleFlight();
  const gate = Promise.withResolvers<void>();
  let runs = 0;
  const heard: number[] = [];
  const work = async (_signal: AbortSignal, tell: (n: number) => void) => {
    runs++;
    await gate.promise;
    tell(7);
  };
  const all = [1, 2, 3].map(() => flights.run('k', never, (n) => heard.push(n), work));
  gate.resolve();
  await Promise.all(all);
  expect(runs).toBe(1);
  expect(heard).toEqual([7, 7, 7]);
  await flights.run('k', never, nothing, async () => void runs++);
  expect(runs).toBe(2);
});

test('who leaves does not end the work of the others; the last one does', async () => {
  const flights = new SingleFlight();
  const first = new AbortController();
  const second = new AbortController();
  let cancelled = false;
  const work = (signal: AbortSignal) =>
    new Promise<void>((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        cancelled = true;
        reject(new TareError('cancelled', 'context canceled'));
      });
    });
  const a = flights.run('k', first.signal, nothing, work);
  const b = flights.run('k', second.signal, nothing, work);
  first.abort();
  expect(a).rejects.toThrow('context canceled');
  await a.catch(nothing);
  expect(cancelled).toBe(false);
  second.abort();
  await expect(b).rejects.toThrow('context canceled');
  expect(cancelled).toBe(true);
});

test('who joined a failing run tries by itself', async () => {
  const flights = new SingleFlight();
  const failing = flights.run('k', never, nothing, async () => {
    throw new TareError('unauthorized', 'no');
  });
  let mine = 0;
  const joined = flights.run('k', never, nothing, async () => void mine++);
  await expect(failing).rejects.toThrow('no');
  await joined;
  expect(mine).toBe(1);
});

test('a semaphore admits no more than its limit and survives aborted waiters', async () => {
  const semaphore = new Semaphore(2);
  const gone = new AbortController();
  let running = 0;
  let most = 0;
  const body = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 2));
    running--;
  };
  const tasks = Array.from({ length: 10 }, (_, i) => semaphore.run(i % 3 === 2 ? gone.signal : never, body));
  gone.abort();
  const results = await Promise.allSettled(tasks);
  expect(results.filter((result) => result.status === 'rejected')).toHaveLength(3);
  expect(most).toBe(2);
  expect(semaphore.idle).toBe(true);
});
