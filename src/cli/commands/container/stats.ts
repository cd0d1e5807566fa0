import type { ContainerSummary } from '../../../wire/containers.ts';
import { defineCommand } from '../../command.ts';
import { configuredFormat } from '../../config.ts';
import type { CommandContext } from '../../context.ts';
import { CommandFailure, describeError } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { formatListing } from '../../format/listing.ts';
import { STATS_LISTING, STATS_TABLE, type StatsEntry, statsRow } from '../../format/stats-list.ts';
import { truncateId } from '../../format/truncate.ts';
import { StatsBoard } from '../../stats/board.ts';
import { listFormat, noTrunc } from '../shared-flags.ts';

/** Milliseconds between two redraws. */
const REDRAW = 500;

const CURSOR_HOME = '\x1b[H';
const CLEAR_LINE = '\x1b[K';
const CLEAR_BELOW = '\x1b[J';

export const command = defineCommand({
  name: 'stats',
  summary: 'Show what containers use, live',
  usage: '[OPTIONS] [CONTAINER...]',
  args: { min: 0 },
  completes: 'running-container',
  flags: {
    all: flag(toggle, { short: 'a', help: 'Show all containers, not just running ones' }),
    format: listFormat,
    'no-stream': flag(toggle, { help: 'Print one table and end' }),
    'no-trunc': noTrunc,
  },
  async run(context, flags, args) {
    const board = new StatsBoard(context.client);
    const format = flags.format || configuredFormat(context.configDir, 'statsFormat');
    const table = (entries: readonly StatsEntry[]): string =>
      formatListing(
        STATS_LISTING,
        format,
        STATS_TABLE,
        entries.map((entry) => statsRow(entry, !flags['no-trunc'])),
      );
    const since = String(Date.now() / 1000);
    const containers = args.length > 0 ? args : await listed(context, flags.all);
    if (flags['no-stream']) {
      failWith(await board.readOnce(containers), args);
      const entries = board.entries();
      if (entries.length > 0) context.console.out(table(entries));
      return 0;
    }
    const problems = await Promise.all(containers.map((container) => board.follow(container)));
    failWith(
      problems.filter((problem) => problem !== undefined),
      args,
    );
    let lost: unknown;
    if (args.length === 0) {
      board.followEvents(flags.all, since).catch((error: unknown) => {
        lost = error;
      });
    }
    for (;;) {
      const entries = board.entries();
      context.console.out(screen(table(entries)));
      if (lost !== undefined) throw lost;
      await Bun.sleep(REDRAW);
    }
  },
});

async function listed(context: CommandContext, all: boolean): Promise<string[]> {
  const list = await context.client.json<ContainerSummary[]>('GET', '/containers/json', { query: { all } });
  return list.map((container) => truncateId(container.Id));
}

/** A container that was named must be there; one of a list may have gone meanwhile. */
function failWith(problems: readonly Error[], named: readonly string[]): void {
  if (problems.length > 0 && named.length > 0)
    throw new CommandFailure(problems.map(describeError).join('\n'));
}

/** The table over the former one, without a flicker. */
function screen(text: string): string {
  return `${CURSOR_HOME}${text.replaceAll('\n', `${CLEAR_LINE}\n`)}${CLEAR_BELOW}`;
}
