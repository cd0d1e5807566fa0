import type { CheckFinding, CheckMessage } from '../../../wire/check.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { text, toggle } from '../../flags/kinds.ts';
import { stderrIsTerminal } from '../../terminal/terminal.ts';

function describe(finding: CheckFinding): string {
  const affects = finding.Affects.length === 0 ? '' : `  affects: ${finding.Affects.join(', ')}\n`;
  const rest =
    finding.Repaired !== undefined ? `  repaired: ${finding.Repaired}\n` : `  to do: ${finding.Advice}\n`;
  return `${finding.Kind} ${finding.ID}: ${finding.Problem}\n${affects}${rest}`;
}

function progressLine({ phase, done, total }: NonNullable<CheckMessage['progress']>): string {
  const percent = total > 0 ? ` ${Math.floor((done / total) * 100)}%` : '';
  return `\r\x1b[Kchecking ${phase}${percent}`;
}

function summary({ findings, repaired }: NonNullable<CheckMessage['done']>): string {
  if (findings === 0) return 'nothing wrong\n';
  const left = findings - repaired;
  const things = `${findings} ${findings === 1 ? 'thing is' : 'things are'} wrong`;
  if (repaired === 0) return `${things}; --repair repairs what can be repaired\n`;
  return `${things}, ${left === 0 ? 'all repaired' : `${repaired} repaired, ${left} left`}\n`;
}

export const command = defineCommand({
  name: 'check',
  summary: 'Check images, layers and rows against the disk',
  usage: '[OPTIONS]',
  description: `Reads every blob and layer and compares its digest, and checks that images, containers, volumes and networks
have what they name. The daemon goes on working meanwhile. The exit code is 1 when something is wrong (and,
with --repair, could not be repaired).`,
  args: { min: 0, max: 0 },
  flags: {
    format: flag(text, { help: "'json': one JSON object a line for each thing that is wrong" }),
    repair: flag(toggle, {
      help: 'Remove what nobody needs, make again what can be made, remove images that have to be pulled again',
    }),
  },
  async run({ client, console }, flags) {
    if (flags.format !== '' && flags.format !== 'json') {
      throw new CommandFailure(`unknown format ${JSON.stringify(flags.format)}: only json is known`);
    }
    const terminal = stderrIsTerminal();
    const clear = terminal ? '\r\x1b[K' : '';
    let result: CheckMessage['done'];
    const query = { repair: flags.repair ? 1 : undefined };
    for await (const message of client.messages<CheckMessage>('POST', '/tare/check', { query })) {
      if (message.error !== undefined) throw new CommandFailure(`${clear}${message.error}`);
      if (message.progress !== undefined && terminal) console.err(progressLine(message.progress));
      if (message.finding !== undefined) {
        console.err(clear);
        console.out(
          flags.format === 'json' ? `${JSON.stringify(message.finding)}\n` : describe(message.finding),
        );
      }
      if (message.done !== undefined) result = message.done;
    }
    console.err(clear);
    if (result === undefined) throw new CommandFailure('the daemon ended before the check did: try again');
    if (flags.format === '') console.out(summary(result));
    return result.findings > result.repaired ? 1 : 0;
  },
});
