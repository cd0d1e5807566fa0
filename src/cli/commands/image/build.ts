import { build } from '../../build/build.ts';
import { callOf, checkBuild } from '../../build/check.ts';
import { BUILD_FLAGS } from '../../build/flags.ts';
import { defineCommand } from '../../command.ts';

export const command = defineCommand({
  name: 'build',
  summary: 'Build an image from a Dockerfile',
  usage: '[OPTIONS] PATH | URL | -',
  args: { min: 1, max: 1 },
  completes: 'file',
  flags: BUILD_FLAGS,
  async run(context, flags, args) {
    const { method, format } = callOf(flags);
    if (method === 'check') return await checkBuild(context, flags, args[0]!, format);
    await build(context, flags, args[0]!);
    return 0;
  },
});
