import type { BuildEventMessage } from '../../wire/build.ts';

const time = (milliseconds: number | undefined): string | undefined =>
  milliseconds === undefined ? undefined : new Date(milliseconds).toISOString();

/** An event as `buildx --progress=rawjson` prints it: a line with BuildKit's members. */
export function rawJson(event: BuildEventMessage, now: number): string {
  return `${JSON.stringify(statusOf(event, now))}\n`;
}

function statusOf(event: BuildEventMessage, now: number): object {
  switch (event.kind) {
    case 'vertex': {
      const { id, name, inputs, cached, error } = event;
      const times = { started: time(event.started), completed: time(event.completed) };
      return { vertexes: [{ digest: id, inputs, name, ...times, cached, error }] };
    }
    case 'log': {
      const { vertex, stream, data } = event;
      return { logs: [{ vertex, stream: stream === 'stdout' ? 1 : 2, data, timestamp: time(now) }] };
    }
    case 'status': {
      const { id, vertex, name, current, total } = event;
      return { statuses: [{ id, vertex, name, total, current, timestamp: time(now) }] };
    }
    default: {
      const { text, line } = event;
      const short = Buffer.from(text).toString('base64');
      const range = line === undefined ? {} : { range: [{ start: { line }, end: { line } }] };
      return { warnings: [{ level: 1, short, ...range }] };
    }
  }
}
