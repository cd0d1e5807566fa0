import type { BuildEvent } from '../engine/builder/builder.ts';
import type { BuildEventMessage } from '../wire/build.ts';

/** An event as `tare build` gets it; undefined for what it does not need. */
export function eventMessage(event: BuildEvent): BuildEventMessage | undefined {
  switch (event.kind) {
    case 'vertex': {
      const { kind, id, name, inputs, started, completed, cached, error } = event;
      return {
        ...{ kind, id, name, inputs },
        ...(started !== undefined && { started }),
        ...(completed !== undefined && { completed }),
        ...(cached !== undefined && { cached }),
        ...(error !== undefined && { error }),
      };
    }
    case 'log':
      return {
        kind: 'log',
        vertex: event.vertex,
        stream: event.stream,
        data: Buffer.from(event.data).toString('base64'),
      };
    case 'status':
      return event;
    case 'warning': {
      const { kind, text, rule, span } = event;
      return { kind, text, ...(rule !== undefined && { rule }), ...(span && { line: span.first }) };
    }
    default:
      return undefined;
  }
}
