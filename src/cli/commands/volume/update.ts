import type { Volume } from '../../../wire/volumes.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { text } from '../../flags/kinds.ts';

export const command = defineCommand({
  name: 'update',
  summary: 'Update a volume of a cluster (there is none: Tare has no Swarm)',
  usage: '[OPTIONS] VOLUME',
  args: { min: 1, max: 1 },
  completes: 'volume',
  flags: { availability: flag(text, { help: 'Cluster volume availability (active, pause, drain)' }) },
  async run(context, _flags, args) {
    await context.client.json<Volume>('GET', `/volumes/${encodeURIComponent(args[0]!)}`);
    throw new CommandFailure('Can only update cluster volumes');
  },
});
