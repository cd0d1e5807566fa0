import { expect, test } from 'bun:test';
import { fakeContainer } from '../../../test/support/api/fake-containers.ts';
import { fakeSample } from '../../../test/support/api/fake-statistics.ts';
import { TareError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import type { Container } from './model.ts';
import type { StatisticsSample } from './statistics.ts';
import { StatisticsSampler } from './statistics-sampler.ts';

function lab() {
  const container = fakeContainer();
  const state = { container: container as Container | undefined, reads: 0, running: true };
  const find = () => state.container;
  const sampler = new StatisticsSampler({
    set: {
      find,
      byId: find,
      get() {
        if (!state.container) throw new TareError('not-found', 'No such container: web');
        return state.container;
      },
    },
    runtime: {
      statistics() {
        state.reads++;
        if (!state.running) throw new TareError('not-found', 'it has ended');
        return fakeSample().cgroup;
      },
    },
    interfaces: () => [],
    systemCpu: () => fakeSample().system,
    log: silentLogger,
  });
  return { sampler, state, container };
}

test('ten who watch cost one reading a second; without them there is none', async () => {
  const { sampler, state, container } = lab();
  const heard: Array<StatisticsSample | undefined> = [];
  const stops = Array.from({ length: 10 }, () =>
    sampler.watch(
      'web',
      (one) => heard.push(one),
      () => {},
    ),
  );
  expect(heard).toHaveLength(10);
  const before = state.reads;
  while (heard.length < 20) await Bun.sleep(20);
  expect(state.reads).toBe(before + 1);
  expect((await sampler.pair(container.id))?.before).toBe(heard.at(-1)!);
  for (const stop of stops) stop();
  const after = state.reads;
  await Bun.sleep(1300);
  expect(state.reads).toBe(after);
});

test('who watches hears of the end and of the removal', async () => {
  const { sampler, state } = lab();
  const heard: Array<StatisticsSample | undefined> = [];
  let gone = 0;
  sampler.watch(
    'web',
    (one) => heard.push(one),
    () => gone++,
  );
  state.running = false;
  while (heard.length < 2) await Bun.sleep(20);
  expect(heard[1]).toBeUndefined();
  state.container = undefined;
  while (gone === 0) await Bun.sleep(20);
  expect(heard).toHaveLength(2);
});

test('a pair lies far enough apart, and needs a container that runs', async () => {
  const { sampler, state } = lab();
  const pair = (await sampler.pair('web'))!;
  expect(pair.now.at - pair.before.at).toBeGreaterThanOrEqual(499);
  state.running = false;
  expect(await sampler.pair('web')).toBeUndefined();
  state.container = undefined;
  expect(sampler.pair('web')).rejects.toThrow('No such container');
});
