import { defineCommand } from '../../command.ts';
import { flag } from '../../flags/flag.ts';
import { list, text } from '../../flags/kinds.ts';
import { parsePlatformFlag } from '../../platform.ts';
import { saveBody } from '../archive-files.ts';

export const command = defineCommand({
  name: 'save',
  summary: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  args: { min: 1 },
  completes: 'image',
  flags: {
    output: flag(text, { short: 'o', help: 'Write to a file, instead of STDOUT' }),
    platform: flag(list(undefined, 'string'), { help: 'Save only this platform, such as linux/amd64' }),
  },
  async run(context, flags, args) {
    await saveBody(context, flags.output, 'save image', () =>
      context.client.request('GET', '/images/get', {
        query: { names: args, platform: flags.platform.map((platform) => parsePlatformFlag(platform) ?? '') },
      }),
    );
    return 0;
  },
});
