import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { SERVE_FLAGS, settingsOf } from './flags.ts';

export const command = defineCommand({
  name: 'serve',
  summary: 'Run a registry',
  description:
    'Serves images by the OCI distribution specification from a folder of its own, in the foreground, until SIGTERM. SIGUSR1 collects garbage.',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: SERVE_FLAGS,
  offline: true,
  async run({ registryServer }, flags) {
    if (registryServer === undefined) throw new CommandFailure('this program has no registry server');
    return (await registryServer()).serveRegistry(settingsOf(flags));
  },
});
