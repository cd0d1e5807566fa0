import type { NetworkDisconnectBody } from '../../../wire/networks.ts';
import { defineCommand } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';

export const command = defineCommand({
  name: 'disconnect',
  summary: 'Disconnect a container from a network',
  usage: '[OPTIONS] NETWORK CONTAINER',
  args: { min: 2, max: 2 },
  completes: 'network',
  flags: { force: flag(toggle, { short: 'f', help: 'Disconnect it even if it is gone' }) },
  async run(context, flags, args) {
    const [network = '', Container = ''] = args;
    const body: NetworkDisconnectBody = { Container, Force: flags.force };
    await context.client.send('POST', `/networks/${encodeURIComponent(network)}/disconnect`, { json: body });
    return 0;
  },
});
