import type { InfoResponse } from '../../../wire/system.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure, describeError } from '../../failure.ts';
import { clientInfo, clientInfoText, serverInfoText } from '../../format/info-text.ts';
import { parseFormat } from '../../format/listing.ts';
import { printByTemplate } from '../print-object.ts';
import { objectFormat } from '../shared-flags.ts';

export const command = defineCommand({
  name: 'info',
  summary: 'Display system-wide information',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  startsDaemon: false,
  flags: { format: objectFormat },
  async run(context, flags) {
    const format = flags.format === 'json' ? '{{json .}}' : flags.format;
    const template = format === '' ? undefined : parseFormat(format, 'template parsing error', 64);
    const client = clientInfo();
    if (template === undefined) context.console.out(`${clientInfoText(client)}\nServer:\n`);
    let info: InfoResponse;
    try {
      info = await context.client.json<InfoResponse>('GET', '/info');
    } catch (error) {
      throw new CommandFailure(describeError(error));
    }
    if (template !== undefined) {
      printByTemplate(context, template, { ...info, ClientInfo: client }, 'system.dockerInfo');
      return 0;
    }
    context.console.out(serverInfoText(info));
    for (const warning of info.Warnings ?? []) context.console.err(`${warning}\n`);
    return 0;
  },
});
