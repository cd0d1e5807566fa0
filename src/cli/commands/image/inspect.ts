import { defineCommand } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { text } from '../../flags/kinds.ts';
import { parsePlatformFlag } from '../../platform.ts';
import { inspectObjects } from '../inspect-objects.ts';
import { objectFormat } from '../shared-flags.ts';

export const command = defineCommand({
  name: 'inspect',
  summary: 'Display detailed information on one or more images',
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  args: { min: 1 },
  completes: 'image',
  flags: {
    format: objectFormat,
    platform: flag(text, { help: 'Show the image for this platform, such as linux/amd64' }),
  },
  async run(context, flags, args) {
    const platform = parsePlatformFlag(flags.platform, '');
    return await inspectObjects(context, args, flags.format, (name) =>
      context.client.json('GET', `/images/${name}/json`, { query: { platform } }),
    );
  },
});
