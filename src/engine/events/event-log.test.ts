import { describe, expect, test } from 'bun:test';
import { silentLogger } from '../../base/log.ts';
import { EventLog } from './event-log.ts';
import type { EngineEvent } from './events.ts';

const event = (action: string) => ({ type: 'container', action, id: 'c', attributes: {} }) as const;

describe('event log', () => {
  test('the last 256 are remembered, in order', () => {
    const log = new EventLog(silentLogger);
    for (let index = 0; index < 300; index += 1) log.emit(event(`a${index}`));
    const seen: string[] = [];
    log.subscribe(0n, (one) => seen.push(one.action))();
    expect(seen).toEqual(Array.from({ length: 256 }, (_, index) => `a${index + 44}`));
  });

  test('since is inclusive, without it only live events come', () => {
    let now = 1_000n;
    const log = new EventLog(silentLogger, () => now);
    log.emit(event('old'));
    now = 2_000n;
    log.emit(event('new'));
    const since: string[] = [];
    const live: string[] = [];
    const stop = log.subscribe(2_000n, (one) => since.push(one.action));
    log.subscribe(undefined, (one) => live.push(one.action));
    expect(log.listenerCount).toBe(2);
    log.emit(event('later'));
    stop();
    log.emit(event('last'));
    expect(since).toEqual(['new', 'later']);
    expect(live).toEqual(['later', 'last']);
    expect(log.listenerCount).toBe(1);
  });

  test('times rise even when the clock goes back', () => {
    const clock = [50n, 40n, 50n, 60n];
    const log = new EventLog(silentLogger, () => clock.shift() ?? 0n);
    const times: bigint[] = [];
    log.subscribe(undefined, (one) => times.push(one.timeNano));
    for (let index = 0; index < 4; index += 1) log.emit(event('x'));
    expect(times).toEqual([50n, 51n, 52n, 60n]);
  });

  test('what is kept back of a container comes in order when it may, and nothing else waits', () => {
    const log = new EventLog(silentLogger);
    const seen: string[] = [];
    log.subscribe(undefined, (one) => seen.push(one.action));
    const of = (container: string, action: string) => ({ ...event(action), attributes: { container } });
    const tell = log.hold('c1');
    log.emit(of('c1', 'disconnect'));
    log.emit(of('c2', 'other'));
    log.emit(of('c1', 'unmount'));
    log.emit(event('die'));
    tell();
    tell();
    log.emit(of('c1', 'connect'));
    expect(seen).toEqual(['other', 'die', 'disconnect', 'unmount', 'connect']);
  });

  test('a listener that throws or leaves does not keep the others from it', () => {
    const log = new EventLog(silentLogger);
    const seen: EngineEvent[] = [];
    log.subscribe(undefined, () => {
      throw new Error('listener');
    });
    const stop: () => void = log.subscribe(undefined, () => stop());
    log.subscribe(undefined, (one) => seen.push(one));
    log.emit(event('x'));
    expect(seen.map((one) => one.action)).toEqual(['x']);
    expect(log.listenerCount).toBe(2);
    expect(Number(seen[0]?.timeNano) / 1e6).toBeCloseTo(Date.now(), -4);
  });
});
