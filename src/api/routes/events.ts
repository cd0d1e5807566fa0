import type { EventBus } from '../../engine/events/events.ts';
import { eventMatches, eventToJson } from '../convert/event.ts';
import { HttpError } from '../errors.ts';
import type { Exchange } from '../exchange.ts';
import { BatchedAnswer } from '../line-stream.ts';
import { filters, text } from '../query.ts';
import type { Route } from '../router.ts';
import { nanosToMillis, parseOptionalMoment } from '../time.ts';

/** Events that wait for a client that does not read, before it is dropped. */
const MAX_BACKLOG = 10_000;
/** setTimeout takes no more milliseconds than this. */
const MAX_TIMEOUT = 0x7fffffff;

/** `GET /events`: past ones, then live ones until `until`, or as long as the client stays. */
export function eventRoutes({
  events,
  now,
}: {
  readonly events: Pick<EventBus, 'subscribe'>;
  readonly now: () => number;
}): Route[] {
  return [{ method: 'GET', pattern: '/events', handle: (x) => stream(events, now, x) }];
}

async function stream(events: Pick<EventBus, 'subscribe'>, now: () => number, x: Exchange): Promise<void> {
  const given = filters(x);
  const since = parseOptionalMoment(text(x, 'since'), now());
  const until = parseOptionalMoment(text(x, 'until'), now());
  if (since !== undefined && until !== undefined && since > until) {
    throw new HttpError(400, '`since` time cannot be after `until` time');
  }
  const { signal } = x;
  x.begin(200, { 'Content-Type': 'application/json' });
  const answer = new BatchedAnswer(x);
  let waiting = 0;
  const stop = events.subscribe(since, (event) => {
    if (until !== undefined && event.timeNano > until) return;
    if (!eventMatches(given, event)) return;
    waiting = answer.stalled ? waiting + 1 : 0;
    if (waiting > MAX_BACKLOG) x.destroy();
    else void answer.add(`${eventToJson(event)}\n`);
  });
  try {
    await ended(signal, until === undefined ? undefined : nanosToMillis(until) - now());
  } finally {
    stop();
  }
  if (!signal.aborted) await answer.end();
  else x.response.end();
}

/** Resolves when `signal` aborts or after `millis`. */
function ended(signal: AbortSignal, millis: number | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted || (millis !== undefined && millis <= 0)) {
      resolve();
      return;
    }
    const timer =
      millis === undefined ? undefined : setTimeout(() => resolve(), Math.min(millis, MAX_TIMEOUT));
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
}
