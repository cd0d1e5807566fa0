import type { EngineEvent } from '../../engine/events/events.ts';
import type { Filters } from '../../wire/filters.ts';

/** One event as a JSON text without a line break. Nanoseconds are more than a JavaScript number holds. */
export function eventToJson(event: EngineEvent): string {
  const seconds = event.timeNano / 1_000_000_000n;
  const legacy =
    event.type === 'container' || event.type === 'image'
      ? {
          status: event.action,
          id: event.id,
          ...(event.attributes.image === undefined ? {} : { from: event.attributes.image }),
        }
      : {};
  const text = JSON.stringify({
    ...legacy,
    Type: event.type,
    Action: event.action,
    Actor: { ID: event.id, Attributes: event.attributes },
    scope: 'local',
    time: Number(seconds),
  });
  return `${text.slice(0, -1)},"timeNano":${event.timeNano}}`;
}

/** True when an event passes the filters of `docker events`. */
export function eventMatches(filters: Filters, event: EngineEvent): boolean {
  return (
    filters.exact('type', event.type) &&
    filters.exact('scope', 'local') &&
    matchesAction(filters, event.action) &&
    matchesActor(filters, event, 'container') &&
    matchesActor(filters, event, 'volume') &&
    matchesActor(filters, event, 'network') &&
    matchesActor(filters, event, 'daemon') &&
    matchesImage(filters, event) &&
    filters.labels('label', event.attributes)
  );
}

/** `exec_create: sh` and `health_status: healthy` are also found by the part before the colon. */
function matchesAction(filters: Filters, action: string): boolean {
  const wanted = filters.get('event');
  if (wanted.length === 0) return true;
  return wanted.some((value) => action === value || action.startsWith(`${value}:`));
}

function matchesActor(filters: Filters, event: EngineEvent, name: string): boolean {
  const wanted = filters.get(name);
  if (wanted.length === 0) return true;
  const actorName = event.attributes.name ?? '';
  return wanted.some((value) => event.id.startsWith(value) || actorName.startsWith(value));
}

function matchesImage(filters: Filters, event: EngineEvent): boolean {
  const wanted = filters.get('image');
  if (wanted.length === 0) return true;
  const name = (event.type === 'container' ? event.attributes.image : event.attributes.name) ?? '';
  const names = [event.id, name, withoutTag(event.id), withoutTag(name)];
  return wanted.some((value) => names.includes(value));
}

function withoutTag(reference: string): string {
  return reference.replace(/:[\w.-]+$/, '');
}
