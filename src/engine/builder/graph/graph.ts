import { createHash } from 'node:crypto';
import type { StatusEvent } from '../builder.ts';

/**
 * What the solver works on. It knows nothing of Dockerfiles.
 *
 * - A *chain* is a root as layers, bottom first. Equal layers are equal chains, however they were made.
 * - A *vertex* makes a chain of those of its inputs. A *source* gives one from somewhere else; an *operation* adds a
 *   layer (or nothing) to the chain of its first input.
 * - An operation first *prepares*: it looks at its inputs and says by which *key* its layer would be found again. Only
 *   when there is none, it is run.
 *
 * Example: `FROM a`, `RUN b`, `COPY --from=c d e` are a source, an operation on it, and one on that with the chain of
 * `c` as its second input.
 */
export interface Vertex {
  /** In the form of a digest; unique among all builds. */
  readonly id: string;
  readonly name: string;
  readonly inputs: readonly Vertex[];
  /** Where it is asked for: lines, from 1. */
  readonly lines: { readonly first: number; readonly last: number } | undefined;
  /** Its layer must be made anew. */
  readonly fresh: boolean;
  readonly work: Source | Operation;
}

export interface Source {
  readonly kind: 'source';
  take(task: Task): Promise<Chain>;
}

export interface Operation {
  readonly kind: 'operation';
  /** Chains in the order of the vertex's inputs. */
  prepare(inputs: readonly Chain[], task: Task): Promise<Prepared>;
}

export interface Prepared {
  /** Hex; of all that decides what `run` makes, the inputs' chains included. */
  readonly key: string;
  /** Diff id of the layer; undefined: nothing had to be changed. */
  run(): Promise<string | undefined>;
  /** After `run`, or in its place. */
  close(): Promise<void>;
}

/** What a vertex at work has from the solver. */
export interface Task {
  readonly signal: AbortSignal;
  output(stream: 'stdout' | 'stderr', data: Uint8Array): void;
  status(status: Omit<StatusEvent, 'kind' | 'vertex'>): void;
  /** It runs in a container. */
  inContainer(shortId: string): void;
}

export interface Chain {
  /** Hex, of the layers. */
  readonly id: string;
  readonly layers: readonly string[];
}

export const EMPTY_CHAIN: Chain = { id: '', layers: [] };

/** The chain with one more layer; undefined: the same. */
export function extended(chain: Chain, layer: string | undefined): Chain {
  if (layer === undefined) return chain;
  return { id: keyOf(chain.id, layer), layers: [...chain.layers, layer] };
}

export function chainOf(layers: readonly string[]): Chain {
  return { id: layers.reduce((id, layer) => keyOf(id, layer), ''), layers };
}

/** Hex digest of parts that are told apart. */
export function keyOf(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
