import { createHash } from 'node:crypto';
import { messageOf } from '../../base/errors.ts';
import type { BuildEvent, VertexEvent } from '../../engine/builder/builder.ts';
import type { StatusResponse } from '../proto/control.ts';
import type { ValueOf } from '../proto/message.ts';
import { timestampOf } from '../proto/timestamp.ts';
import { inBuildKitWords } from './error-source.ts';

type StatusUpdate = Partial<ValueOf<typeof StatusResponse>>;

/** Name of the vertex that an image is written and named in. */
export const EXPORT = 'exporting to image';

/** What happens in a build, kept for whoever asks late, and told as it comes. */
export class Progress {
  readonly #updates: StatusUpdate[] = [];
  readonly #listeners = new Set<() => void>();
  readonly #open = new Map<string, VertexEvent>();
  /** When each status of a vertex began. */
  readonly #statuses = new Map<string, number>();
  /** Vertex that warnings belong to, and the file that they are about. */
  #definition = '';
  #source: { filename: string; data: Uint8Array } | undefined;
  #ended = false;

  /** An event of the builder. */
  take(event: BuildEvent): void {
    switch (event.kind) {
      case 'vertex':
        // What becomes of the image is told by the exporters.
        if (event.name !== EXPORT) this.#vertex(event);
        return;
      case 'log': {
        const stream = event.stream === 'stdout' ? 1 : 2;
        const log = { vertex: event.vertex, timestamp: now(), stream, data: new Uint8Array(event.data) };
        this.#add({ logs: [log] });
        return;
      }
      case 'status':
        this.status(event.vertex, event.id, event.name, event.current, event.total);
        return;
      case 'warning':
        this.#warning(event);
        return;
      case 'plan':
        return;
    }
  }

  /** How far a part of a vertex is; `done` ends it. */
  status(vertex: string, id: string, name: string, current = 0, total = 0, done = false): void {
    const key = `${vertex} ${id}`;
    const started = this.#statuses.get(key) ?? Date.now();
    this.#statuses.set(key, started);
    const complete = done || (total > 0 && current >= total);
    this.#add({
      statuses: [
        {
          id: id === '' ? name : id,
          vertex,
          name,
          current,
          total,
          timestamp: now(),
          started: timestampOf(started),
          ...(complete && { completed: now() }),
        },
      ],
    });
  }

  /** The file that warnings are about. */
  about(filename: string, text: string): void {
    this.#source = { filename, data: Buffer.from(text) };
  }

  /** Runs a vertex of our own. `key` tells it from others of the build. */
  async during<T>(name: string, key: string, work: (id: string) => Promise<T>): Promise<T> {
    const id = `sha256:${createHash('sha256').update(`${name}\0${key}`).digest('hex')}`;
    if (this.#definition === '') this.#definition = id;
    const event = { kind: 'vertex', id, name, inputs: [] } as const;
    const started = Date.now();
    this.#vertex({ ...event, started });
    try {
      const result = await work(id);
      this.#vertex({ ...event, started, completed: Date.now() });
      return result;
    } catch (error) {
      this.#vertex({ ...event, started, completed: Date.now(), error: messageOf(error) });
      throw error;
    }
  }

  #vertex(event: VertexEvent): void {
    const whole = { ...this.#open.get(event.id), ...event };
    this.#open.set(event.id, whole);
    this.#add({
      vertexes: [
        {
          digest: whole.id,
          inputs: [...whole.inputs],
          name: whole.name,
          cached: whole.cached ?? false,
          ...(whole.started !== undefined && { started: timestampOf(whole.started) }),
          ...(whole.completed !== undefined && { completed: timestampOf(whole.completed) }),
          error: inBuildKitWords(whole.error ?? ''),
        },
      ],
    });
  }

  #warning({ text, rule, detail, url, span }: Extract<BuildEvent, { kind: 'warning' }>): void {
    this.#add({
      warnings: [
        {
          vertex: this.#definition,
          level: 1,
          short: Buffer.from(rule === undefined ? text : `${rule}: ${text}`),
          detail: detail === undefined ? [] : [Buffer.from(detail)],
          url: url ?? '',
          ...(this.#source !== undefined && { info: { ...this.#source, language: 'Dockerfile' } }),
          ranges: span === undefined ? [] : [{ start: { line: span.first }, end: { line: span.last } }],
        },
      ],
    });
  }

  #add(update: StatusUpdate): void {
    if (this.#ended) return;
    this.#updates.push(update);
    for (const listener of this.#listeners) listener();
  }

  end(): void {
    this.#ended = true;
    for (const listener of this.#listeners) listener();
  }

  /** All from the beginning to the end, what has come meanwhile together. */
  async *follow(signal: AbortSignal): AsyncGenerator<StatusUpdate> {
    for (let at = 0; ; ) {
      if (at < this.#updates.length) {
        const fresh = this.#updates.slice(at, at + HEAP);
        at += fresh.length;
        yield joined(fresh);
        // More of it in each message when much happens.
        if (!this.#ended) await Bun.sleep(PACE);
      } else if (this.#ended || signal.aborted) return;
      else await this.#change(signal);
    }
  }

  #change(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#listeners.delete(done);
        signal.removeEventListener('abort', done);
        resolve();
      };
      this.#listeners.add(done);
      signal.addEventListener('abort', done);
    });
  }
}

/** Milliseconds between messages. */
const PACE = 40;
/** Updates in a message: it must not grow beyond what the client takes. */
const HEAP = 500;

const now = () => timestampOf(Date.now());

function joined(updates: readonly StatusUpdate[]): StatusUpdate {
  return {
    vertexes: updates.flatMap(({ vertexes = [] }) => vertexes),
    statuses: updates.flatMap(({ statuses = [] }) => statuses),
    logs: updates.flatMap(({ logs = [] }) => logs),
    warnings: updates.flatMap(({ warnings = [] }) => warnings),
  };
}
