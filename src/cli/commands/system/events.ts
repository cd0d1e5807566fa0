import { parseDuration } from '../../../base/go-duration.ts';
import type { EventMessage } from '../../../wire/events.ts';
import { encodeFilters } from '../../../wire/filters.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { text } from '../../flags/kinds.ts';
import { formatValueBy, parseFormat } from '../../format/listing.ts';
import { localRfc3339, parseTimestamp } from '../../format/time.ts';
import { filterFlag, objectFormat } from '../shared-flags.ts';

type Event = Omit<EventMessage, 'timeNano'> & { timeNano: bigint };

/** `timeNano` is larger than a JavaScript number holds exactly. */
function parseEvent(line: string): Event {
  const nanoseconds = /"timeNano":(\d+)/.exec(line)?.[1] ?? '0';
  return { ...(JSON.parse(line) as EventMessage), timeNano: BigInt(nanoseconds) };
}

/** `2026-11-24T20:30:24.501469414Z container start 9001… (image=busybox, name=w1)`. */
function eventLine(event: Event): string {
  const fraction = `.${String(event.timeNano % 1_000_000_000n).padStart(9, '0')}`;
  const time =
    event.timeNano > 0n
      ? localRfc3339(Number(event.timeNano / 1_000_000_000n), fraction)
      : localRfc3339(event.time);
  const attributes = Object.entries(event.Actor.Attributes ?? {})
    .map(([key, value]) => `${key}=${value}`)
    .sort();
  const suffix = attributes.length === 0 ? '' : ` (${attributes.join(', ')})`;
  return `${time} ${event.Type} ${event.Action} ${event.Actor.ID}${suffix}\n`;
}

function timestamp(value: string): string | undefined {
  if (value === '') return undefined;
  try {
    return parseTimestamp(value, new Date(), parseDuration);
  } catch (error) {
    throw new CommandFailure((error as Error).message);
  }
}

export const command = defineCommand({
  name: 'events',
  summary: 'Get real time events from the server',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: {
    filter: filterFlag,
    // -f is the filter here.
    format: flag(text, { help: objectFormat.help }),
    since: flag(text, { help: 'Begin with what happened since a time or a span ago' }),
    until: flag(text, { help: 'End at a time, or a span from now' }),
  },
  async run(context, flags) {
    const format = flags.format === 'json' ? '{{json .}}' : flags.format;
    const template = format === '' ? undefined : parseFormat(format, 'error parsing format', 64);
    const events = context.client.messages<Event>(
      'GET',
      '/events',
      {
        query: {
          since: timestamp(flags.since),
          until: timestamp(flags.until),
          filters: flags.filter.size > 0 ? encodeFilters(flags.filter) : undefined,
        },
      },
      parseEvent,
    );
    for await (const event of events) {
      context.console.out(
        template === undefined ? eventLine(event) : `${formatValueBy(template, event, '*events.Message')}\n`,
      );
    }
    return 0;
  },
});
