import { messageOf, TareError } from '../../../base/errors.ts';
import type { BuildEvent, VertexEvent } from '../builder.ts';
import type { StepCache, StepRecord } from '../step-cache.ts';
import { type Chain, EMPTY_CHAIN, extended, type Operation, type Task, type Vertex } from './graph.ts';

/** What solving takes. */
export interface SolverParts {
  readonly cache: Pick<StepCache, 'find' | 'put' | 'use'>;
  /** The layer is here, and stays as long as the build lasts. */
  readonly keepsLayer: (diffId: string) => boolean;
  readonly report: (event: BuildEvent) => void;
  /** Of the request. */
  readonly signal: AbortSignal;
}

/** What a vertex came to. */
export interface Solved {
  readonly chain: Chain;
  /** Undefined: the chain of the first input. */
  readonly layer: string | undefined;
  /** When the layer was made, in milliseconds since the epoch; 0 for a source. */
  readonly createdAt: number;
  /** Of the record; empty for a source. */
  readonly key: string;
}

/**
 * overlayfs takes 500 lower directories (fs/overlayfs/params.h, OVL_MAX_STACK); a container has one of its own on top of
 * the image's.
 */
const MOST_LAYERS = 499;

/**
 * Solves a graph: each vertex once, as soon as its inputs are there, so what does not need each other goes on side by
 * side; how much at once is the operations' own business. The first failure stops everything else.
 */
export class Solver {
  readonly #parts: SolverParts;
  readonly #solved = new Map<Vertex, Promise<Solved>>();
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  #failed: { readonly vertex: Vertex; readonly error: unknown } | undefined;

  constructor(parts: SolverParts) {
    this.#parts = parts;
    this.#signal = AbortSignal.any([parts.signal, this.#stop.signal]);
  }

  /** The vertex that failed first. */
  get failedAt(): Vertex | undefined {
    return this.#failed?.vertex;
  }

  /** Solves what the vertices need and them. Throws the first error, when all that was under way has ended. */
  async solve(...vertices: readonly Vertex[]): Promise<Solved[]> {
    try {
      return await Promise.all(vertices.map((vertex) => this.#once(vertex)));
    } catch (error) {
      await this.settle();
      throw this.#failed?.error ?? error;
    }
  }

  /** Waits for what is under way. */
  async settle(): Promise<void> {
    let count: number;
    do {
      count = this.#solved.size;
      await Promise.allSettled(this.#solved.values());
    } while (this.#solved.size > count);
  }

  /** Ends what is under way. */
  stop(reason: TareError): void {
    this.#stop.abort(reason);
  }

  /** What a vertex came to, when it has been solved. */
  resultOf(vertex: Vertex): Promise<Solved> {
    return this.#once(vertex);
  }

  /** Keys of the steps that were solved. */
  async keys(): Promise<string[]> {
    const results = await Promise.allSettled(this.#solved.values());
    return results.flatMap((result) =>
      result.status === 'fulfilled' && result.value.key !== '' ? [result.value.key] : [],
    );
  }

  #once(vertex: Vertex): Promise<Solved> {
    let solved = this.#solved.get(vertex);
    if (!solved) {
      solved = this.#solve(vertex);
      solved.catch(() => {});
      this.#solved.set(vertex, solved);
    }
    return solved;
  }

  async #solve(vertex: Vertex): Promise<Solved> {
    const inputs = await Promise.all(vertex.inputs.map((input) => this.#once(input)));
    const { id, name } = vertex;
    let event: VertexEvent = { kind: 'vertex', id, name, inputs: vertex.inputs.map((input) => input.id) };
    const tell = (change: Partial<VertexEvent>): void => {
      event = { ...event, ...change };
      // The empty root is nothing to tell of.
      if (name !== '') this.#parts.report(event);
    };
    tell({ started: Date.now() });
    try {
      if (this.#signal.aborted) throw new TareError('cancelled', 'the build was stopped');
      const task = this.#task(id, tell);
      const solved =
        vertex.work.kind === 'source'
          ? { chain: await vertex.work.take(task), layer: undefined, createdAt: 0, key: '' }
          : await this.#operate(vertex, vertex.work, inputs, task, tell);
      tell({ completed: Date.now(), result: solved.layer ?? solved.chain.layers.at(-1) ?? '' });
      return solved;
    } catch (error) {
      const stopped = this.#signal.aborted;
      if (!stopped) {
        this.#failed = { vertex, error };
        this.#stop.abort(new TareError('cancelled', 'another step has failed'));
      }
      tell({ completed: Date.now(), error: stopped ? 'context canceled' : messageOf(error) });
      throw error;
    }
  }

  async #operate(
    vertex: Vertex,
    work: Operation,
    inputs: readonly Solved[],
    task: Task,
    tell: (change: Partial<VertexEvent>) => void,
  ): Promise<Solved> {
    const { cache } = this.#parts;
    const base = inputs[0]?.chain ?? EMPTY_CHAIN;
    const prepared = await work.prepare(
      inputs.map(({ chain }) => chain),
      task,
    );
    try {
      const { key } = prepared;
      const release = cache.use(key);
      try {
        const known = vertex.fresh ? undefined : this.#known(key);
        if (known) tell({ cached: true });
        const layer = known ? known.layer : await prepared.run();
        const createdAt = known?.createdAt ?? Date.now();
        const chain = extended(base, layer);
        checkDepth(chain);
        if (!known) {
          const parents = inputs.map((input) => input.key).filter((parent) => parent !== '');
          cache.put({ key, layer, description: vertex.name, parents, createdAt });
        }
        return { chain, layer, createdAt, key };
      } finally {
        release();
      }
    } finally {
      await prepared.close();
    }
  }

  /** A record whose layer is still here. */
  #known(key: string): StepRecord | undefined {
    const found = this.#parts.cache.find(key);
    if (!found) return undefined;
    return found.layer === undefined || this.#parts.keepsLayer(found.layer) ? found : undefined;
  }

  #task(vertex: string, tell: (change: Partial<VertexEvent>) => void): Task {
    const { report } = this.#parts;
    return {
      signal: this.#signal,
      output: (stream, data) => report({ kind: 'log', vertex, stream, data }),
      status: (status) => report({ kind: 'status', vertex, ...status }),
      inContainer: (container) => tell({ container }),
    };
  }
}

/** Equal layers count once: overlayfs is given each tree once. */
function checkDepth({ layers }: Chain): void {
  if (layers.length <= MOST_LAYERS || new Set(layers).size <= MOST_LAYERS) return;
  throw new TareError(
    'invalid',
    `max depth exceeded: with this step the image has more than ${MOST_LAYERS} layers, which is what the kernel's overlayfs can mount: join steps, or copy the result into a stage of its own`,
  );
}
