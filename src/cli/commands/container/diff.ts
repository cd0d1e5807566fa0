import type { FilesystemChange } from '../../../wire/containers.ts';
import { defineCommand } from '../../command.ts';
import { containerPath } from '../each.ts';

const LETTERS = ['C', 'A', 'D'] as const;

export const command = defineCommand({
  name: 'diff',
  summary: "Inspect changes to files or directories on a container's filesystem",
  usage: 'CONTAINER',
  args: { min: 1, max: 1 },
  completes: 'container',
  flags: {},
  async run(context, _flags, args) {
    const path = containerPath(args[0]!, '/changes');
    const changes = (await context.client.json<FilesystemChange[] | null>('GET', path)) ?? [];
    context.console.out(changes.map(({ Kind, Path }) => `${LETTERS[Kind]} ${Path}\n`).join(''));
    return 0;
  },
});
