import { TareError } from '../base/errors.ts';
import type { BuildContext } from '../engine/builder/builder.ts';
import type { ContextSync, KeptContexts } from '../engine/builder/context/kept-contexts.ts';

/** How long a context, or what was said of a build ahead, waits for its build. Milliseconds. */
const PATIENCE = 60_000;

/** What a build needs that Docker's parameters have no room for. */
export interface BuildExtras {
  /** Ids of contexts that were sent; empty: the request's body. */
  readonly context: string;
  readonly contexts: Readonly<Record<string, { readonly context: string } | { readonly image: string }>>;
  readonly dockerfile: { readonly text: string; readonly name: string } | undefined;
  readonly secrets: ReadonlyMap<string, Uint8Array>;
  /** Paths of agents' sockets. */
  readonly ssh: ReadonlyMap<string, string>;
  readonly noCacheFilter: readonly string[];
  readonly cacheTo: { readonly inline: boolean; readonly mode: '' | 'min' | 'max' };
}

interface Held<T> {
  readonly value: T;
  timer: ReturnType<typeof setTimeout>;
}

interface SentContext {
  readonly sync: ContextSync;
  built: BuildContext | undefined;
}

/** Contexts and extras between the requests that bring them and the build that takes them. What is not taken goes. */
export class BuildContexts {
  readonly #kept: Pick<KeptContexts, 'begin'>;
  readonly #contexts = new Map<string, Held<SentContext>>();
  readonly #extras = new Map<string, Held<BuildExtras>>();

  constructor(kept: Pick<KeptContexts, 'begin'>) {
    this.#kept = kept;
  }

  begin(key: string): Promise<ContextSync> {
    return this.#kept.begin(key);
  }

  /** A context whose entries were announced. Returns its id. */
  hold(sync: ContextSync): string {
    return put(this.#contexts, { sync, built: undefined }, () => void sync.release());
  }

  /** The wanted files of a context. */
  async receive(id: string, frames: ReadableStream<Uint8Array>): Promise<void> {
    const held = this.#take(id);
    const { sync } = held.value;
    try {
      await sync.receive(frames);
      held.value.built = { kind: 'directory', ...(await sync.finish()) };
    } catch (error) {
      await sync.release();
      throw error;
    }
    this.#contexts.set(id, held);
    held.timer = expire(this.#contexts, id, () => void sync.release());
  }

  #take(id: string): Held<SentContext> {
    const held = this.#contexts.get(id);
    if (held === undefined) throw new TareError('not-found', `No such build context: ${id}`);
    clearTimeout(held.timer);
    this.#contexts.delete(id);
    return held;
  }

  holdExtras(extras: BuildExtras): string {
    return put(this.#extras, extras, () => {});
  }

  /** Once. */
  takeExtras(id: string): BuildExtras {
    const held = this.#extras.get(id);
    if (held === undefined) throw new TareError('not-found', `No such build request: ${id}`);
    clearTimeout(held.timer);
    this.#extras.delete(id);
    return held.value;
  }

  /** Takes a context for a build; `release` when that is over. */
  async take(id: string): Promise<{ context: BuildContext; release: () => Promise<void> }> {
    const { sync, built } = this.#take(id).value;
    if (built !== undefined) return { context: built, release: () => sync.release() };
    await sync.release();
    throw new TareError('invalid', `the files of the build context ${id} have not come`);
  }
}

function put<T>(map: Map<string, Held<T>>, value: T, gone: () => void): string {
  const id = crypto.randomUUID();
  map.set(id, { value, timer: expire(map, id, gone) });
  return id;
}

function expire(map: Map<string, unknown>, id: string, gone: () => void): ReturnType<typeof setTimeout> {
  const timer = setTimeout(() => {
    if (map.delete(id)) gone();
  }, PATIENCE);
  timer.unref();
  return timer;
}
