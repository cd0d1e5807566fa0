import { describe, expect, test } from 'bun:test';
import { TareError } from '../../../base/errors.ts';
import type { BuildEvent, VertexEvent } from '../builder.ts';
import type { NewStep, StepRecord } from '../step-cache.ts';
import { EMPTY_CHAIN, keyOf, type Task, type Vertex } from './graph.ts';
import { Solver } from './solver.ts';

class Rows {
  readonly rows = new Map<string, StepRecord>();
  readonly used = new Set<string>();
  find = (key: string) => this.rows.get(key);
  put = (step: NewStep): void => void this.rows.set(step.key, { ...step, usedAt: 0, uses: 0 });
  use = (key: string) => {
    this.used.add(key);
    return () => void this.used.delete(key);
  };
}

/** A solver over rows, with what it reported. */
function begin(rows = new Rows(), keepsLayer: (diffId: string) => boolean = () => true) {
  const events: BuildEvent[] = [];
  const stop = new AbortController();
  const solver = new Solver({
    cache: rows,
    keepsLayer,
    report: (event) => events.push(event),
    signal: stop.signal,
  });
  const told = (name: string): VertexEvent | undefined =>
    events.findLast((event): event is VertexEvent => event.kind === 'vertex' && event.name === name);
  return { solver, events, told, stop };
}

const SCRATCH: Vertex = {
  id: 'scratch',
  name: '',
  inputs: [],
  lines: undefined,
  fresh: false,
  work: { kind: 'source', take: async () => EMPTY_CHAIN },
};

let runs: string[] = [];

function step(
  name: string,
  inputs: readonly Vertex[] = [SCRATCH],
  run: (task: Task) => Promise<string | undefined> = async () => `sha256:${name}`,
  fresh = false,
): Vertex {
  return {
    id: `id-${name}`,
    name,
    inputs,
    lines: undefined,
    fresh,
    work: {
      kind: 'operation',
      prepare: async (chains, task) => ({
        key: keyOf(
          name,
          chains.map(({ id }) => id),
        ),
        run: () => {
          runs.push(name);
          return run(task);
        },
        close: async () => {},
      }),
    },
  };
}

/** Ends with the signal's reason. */
function forever({ signal }: Task): Promise<never> {
  return new Promise((_, reject) => {
    const stop = (): void => reject(new TareError('cancelled', 'stopped'));
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop);
  });
}

describe('solving', () => {
  test('each vertex once, its layers on those of its first input', async () => {
    runs = [];
    const base = step('base');
    const one = step('one', [base]);
    const two = step('two', [base]);
    const join = step('join', [one, two]);
    const { solver } = begin();
    const [solved] = await solver.solve(join);
    expect(solved?.chain.layers).toEqual(['sha256:base', 'sha256:one', 'sha256:join']);
    expect(runs.toSorted()).toEqual(['base', 'join', 'one', 'two']);
  });

  test('what does not need each other runs side by side', async () => {
    runs = [];
    const first = Promise.withResolvers<string>();
    const second = Promise.withResolvers<string>();
    const waits = step('waits', [SCRATCH], () => first.promise);
    const frees = step('frees', [SCRATCH], async () => {
      first.resolve('sha256:waited');
      return second.promise;
    });
    const { solver } = begin();
    const both = solver.solve(waits, frees);
    await first.promise;
    second.resolve('sha256:freed');
    expect((await both).map(({ layer }) => layer)).toEqual(['sha256:waited', 'sha256:freed']);
  });

  test('a layer is found again, unless it is to be fresh or is gone', async () => {
    const rows = new Rows();
    runs = [];
    await begin(rows).solver.solve(step('a'));
    const again = begin(rows);
    await again.solver.solve(step('a'));
    expect(runs).toEqual(['a']);
    expect(again.told('a')).toMatchObject({ cached: true, result: 'sha256:a' });
    await begin(rows).solver.solve(step('a', [SCRATCH], undefined, true));
    await begin(rows, () => false).solver.solve(step('a'));
    expect(runs).toEqual(['a', 'a', 'a']);
    expect(rows.used.size).toBe(0);
  });

  test('a step that changes nothing is found again too', async () => {
    const rows = new Rows();
    runs = [];
    const nothing = async () => undefined;
    for (let round = 0; round < 2; round++) {
      const [solved] = await begin(rows, () => false).solver.solve(step('nothing', [SCRATCH], nothing));
      expect(solved?.chain).toEqual(EMPTY_CHAIN);
    }
    expect(runs).toEqual(['nothing']);
  });
});

describe('stopping', () => {
  test('the first failure stops the others, and is the one that is told', async () => {
    const { solver, told } = begin();
    const one = step('one', [SCRATCH], forever);
    const two = step('two', [SCRATCH], forever);
    const bad = step('bad', [SCRATCH], async () => {
      throw new TareError('invalid', 'no');
    });
    const after = step('after', [bad]);
    const target = step('target', [one, two, after]);
    await expect(solver.solve(target)).rejects.toThrow('no');
    expect(solver.failedAt).toBe(bad);
    expect(told('one')?.error).toBe('context canceled');
    expect(told('two')?.error).toBe('context canceled');
    expect(told('bad')?.error).toBe('no');
    expect(told('after')).toBeUndefined();
    expect(told('target')).toBeUndefined();
  });

  test('the request’s own end stops all; nobody failed', async () => {
    const { solver, stop, told } = begin();
    const solving = solver.solve(step('one', [SCRATCH], forever));
    setTimeout(() => stop.abort(), 5);
    await expect(solving).rejects.toMatchObject({ kind: 'cancelled' });
    expect(solver.failedAt).toBeUndefined();
    expect(told('one')?.error).toBe('context canceled');
  });
});

describe('depth', () => {
  /** A chain of steps on each other. */
  function chain(count: number, layer: (index: number) => string): Vertex[] {
    const all: Vertex[] = [];
    for (let index = 0; index < count; index++) {
      all.push(step(`s${index}`, [all.at(-1) ?? SCRATCH], async () => layer(index)));
    }
    return all;
  }

  test('more layers than the kernel mounts fail at the first that is too much', async () => {
    const { solver } = begin();
    const all = chain(510, (index) => `sha256:${index}`);
    await expect(solver.solve(all[509]!)).rejects.toThrow('max depth exceeded');
    expect(solver.failedAt).toBe(all[499]!);
  });

  test('a layer that comes several times counts once', async () => {
    const { solver } = begin();
    const all = chain(510, (index) => `sha256:${index % 2}`);
    const [solved] = await solver.solve(all[509]!);
    expect(solved?.chain.layers).toHaveLength(510);
  });
});
