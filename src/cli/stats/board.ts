import type { EventMessage } from '../../wire/events.ts';
import { encodeFilters } from '../../wire/filters.ts';
import type { ContainerStats } from '../../wire/statistics.ts';
import type { EngineClient } from '../client/client.ts';
import { containerPath } from '../commands/each.ts';
import { type StatsEntry, statsFigures } from '../format/stats-list.ts';
import { truncateId } from '../format/truncate.ts';

/** A container that tells nothing for this long is shown without figures. Milliseconds. */
const SILENCE = 2000;

interface Line {
  entry: StatsEntry;
  /** When the last figures came (performance.now). */
  heard: number;
  dropped: boolean;
  /** Resolves with the first figures, or with why there are none. */
  readonly first: Promise<Error | undefined>;
}

/** The containers that a `stats` table shows, in order, each with what its daemon said last. */
export class StatsBoard {
  readonly #client: EngineClient;
  readonly #lines = new Map<string, Line>();

  constructor(client: EngineClient) {
    this.#client = client;
  }

  /** What to print now. */
  entries(): StatsEntry[] {
    const now = performance.now();
    return [...this.#lines.values()].map(({ entry, heard }) =>
      now - heard > SILENCE ? { ...entry, figures: undefined } : entry,
    );
  }

  /** One reading of each; returns what went wrong. */
  async readOnce(containers: readonly string[]): Promise<Error[]> {
    const answers = await Promise.all(
      containers.map(async (container): Promise<StatsEntry | Error> => {
        try {
          const query = { stream: '0' };
          const path = containerPath(container, '/stats');
          return toEntry(container, await this.#client.json<ContainerStats>('GET', path, { query }));
        } catch (error) {
          return error as Error;
        }
      }),
    );
    containers.forEach((container, index) => {
      const answer = answers[index]!;
      const entry = answer instanceof Error ? { container, id: '', name: '', figures: undefined } : answer;
      this.#lines.set(container, {
        entry,
        heard: performance.now(),
        dropped: false,
        first: Promise.resolve(undefined),
      });
    });
    return answers.filter((answer) => answer instanceof Error);
  }

  /** Begins to follow a container; resolves with the first figures, or with why there are none. */
  follow(container: string): Promise<Error | undefined> {
    const known = this.#lines.get(container);
    if (known) return known.first;
    const first = Promise.withResolvers<Error | undefined>();
    const line: Line = {
      entry: { container, id: '', name: '', figures: undefined },
      heard: performance.now(),
      dropped: false,
      first: first.promise,
    };
    this.#lines.set(container, line);
    void this.#listen(container, line, () => first.resolve(undefined)).then(
      (error) => first.resolve(error),
      (error: Error) => first.resolve(error),
    );
    return line.first;
  }

  async #listen(container: string, line: Line, heardFirst: () => void): Promise<undefined> {
    const path = containerPath(container, '/stats');
    try {
      for await (const stats of this.#client.messages<ContainerStats>('GET', path, {
        query: { stream: '1' },
      })) {
        if (line.dropped) break;
        line.entry = toEntry(container, stats);
        line.heard = performance.now();
        heardFirst();
      }
    } finally {
      line.entry = { ...line.entry, figures: undefined };
    }
    return undefined;
  }

  /** Takes a container off. */
  drop(container: string): void {
    const line = this.#lines.get(container);
    if (line) line.dropped = true;
    this.#lines.delete(container);
  }

  /** Adds containers that start (with `all`: that are made) and drops those that end (are removed), for ever. */
  async followEvents(all: boolean, since: string): Promise<void> {
    const [appears, vanishes] = all ? ['create', 'destroy'] : ['start', 'die'];
    const filters = encodeFilters(
      new Map([
        ['type', ['container']],
        ['event', [appears, vanishes]],
      ]),
    );
    const query = { since, filters };
    for await (const event of this.#client.messages<EventMessage>('GET', '/events', { query })) {
      const container = truncateId(event.Actor.ID);
      if (event.Action === appears) void this.follow(container);
      else this.drop(container);
    }
  }
}

function toEntry(container: string, stats: ContainerStats): StatsEntry {
  return { container, id: stats.id ?? '', name: stats.name ?? '', figures: statsFigures(stats) };
}
