import { parseDuration } from '../../../base/go-duration.ts';
import type { ContainerInspect } from '../../../wire/containers.ts';
import { FrameDecoder } from '../../../wire/stream-frames.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { text, textOr, toggle } from '../../flags/kinds.ts';
import { parseTimestamp } from '../../format/time.ts';
import { containerPath } from '../each.ts';

function timestamp(name: string, value: string): string | undefined {
  if (value === '') return undefined;
  try {
    return parseTimestamp(value, new Date(), parseDuration);
  } catch (error) {
    throw new CommandFailure(`invalid value for "${name}": ${(error as Error).message}`);
  }
}

export const command = defineCommand({
  name: 'logs',
  summary: 'Fetch the logs of a container',
  usage: '[OPTIONS] CONTAINER',
  args: { min: 1, max: 1 },
  completes: 'container',
  flags: {
    details: flag(toggle, { help: 'Show what the logging options added to each line' }),
    follow: flag(toggle, { short: 'f', help: 'Go on with what comes' }),
    since: flag(text, {
      help: 'Show what came after a time (e.g. "2026-01-02T13:23:37Z") or a span ago (e.g. "42m")',
    }),
    tail: flag(textOr('all'), { short: 'n', help: 'Number of lines to show from the end' }),
    timestamps: flag(toggle, { short: 't', help: 'Show the time of each line' }),
    until: flag(text, {
      help: 'Show what came before a time (e.g. "2026-01-02T13:23:37Z") or a span ago (e.g. "42m")',
    }),
  },
  async run(context, flags, args) {
    const name = args[0]!;
    const query = {
      stdout: true,
      stderr: true,
      follow: flags.follow,
      timestamps: flags.timestamps,
      details: flags.details,
      since: timestamp('since', flags.since),
      until: timestamp('until', flags.until),
      tail: flags.tail,
      tare: 1,
    };
    // The answer's type tells framed from raw since API 1.42; an older daemon has to be asked.
    const response = await context.client.request('GET', containerPath(name, '/logs'), { query });
    const type = response.headers.get('content-type') ?? '';
    let tty = type === 'application/vnd.docker.raw-stream';
    if (!type.startsWith('application/vnd.docker.') || olderThanTypes(context.client.apiVersion)) {
      tty = (await context.client.json<ContainerInspect>('GET', containerPath(name, '/json'))).Config.Tty;
    }
    const decoder = new FrameDecoder((stream, payload) => {
      if (stream === 'stdout') context.console.out(payload);
      else context.console.err(payload);
    });
    for await (const chunk of response.body) {
      if (tty) context.console.out(chunk);
      else decoder.push(chunk);
    }
    return 0;
  },
});

/** Before 1.42 dockerd called every stream raw. */
function olderThanTypes(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major === 1 && minor < 42;
}
