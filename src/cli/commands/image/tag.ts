import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { splitReference } from '../../reference.ts';

export const command = defineCommand({
  name: 'tag',
  summary: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
  usage: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  args: { min: 2, max: 2 },
  completes: 'image',
  flags: {},
  async run(context, _flags, args) {
    const [source = '', target = ''] = args;
    let parts: { repository: string; tag: string };
    try {
      parts = splitReference(target);
    } catch (error) {
      throw new CommandFailure(
        `Error parsing reference: ${JSON.stringify(target)} is not a valid repository/tag: ${(error as Error).message}`,
      );
    }
    await context.client.send('POST', `/images/${source}/tag`, {
      query: { repo: parts.repository, tag: parts.tag || 'latest' },
    });
    return 0;
  },
});
