import { canonicalString, parseReference, type Reference, withDefaultTag } from '../../../oci/reference.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { text, toggle, toggleOn } from '../../flags/kinds.ts';
import { parsePlatformFlag } from '../../platform.ts';
import { pushImage } from '../../progress/push.ts';
import { stdoutIsTerminal } from '../../terminal/terminal.ts';

/** @throws CommandFailure in docker's words. */
function referenceOf(name: string, allTags: boolean): Reference {
  let ref: Reference;
  try {
    ref = parseReference(name);
  } catch (error) {
    throw new CommandFailure((error as Error).message);
  }
  const named = ref.tag !== undefined || ref.digest !== undefined;
  if (allTags && named) throw new CommandFailure("tag can't be used with --all-tags/-a");
  if (ref.digest !== undefined) throw new CommandFailure('cannot push a digest reference');
  return allTags ? ref : withDefaultTag(ref);
}

export const command = defineCommand({
  name: 'push',
  summary: 'Upload an image to a registry',
  usage: '[OPTIONS] NAME[:TAG]',
  args: { min: 1, max: 1 },
  completes: 'image',
  flags: {
    'all-tags': flag(toggle, { short: 'a', help: 'Upload all tags of the repository' }),
    'disable-content-trust': flag(toggleOn, { help: 'Skip image signing', hidden: true }),
    platform: flag(text, {
      help: 'Upload only the image for this platform, such as linux/amd64, and no index',
    }),
    quiet: flag(toggle, { short: 'q', help: 'Print only the name of what was pushed' }),
  },
  async run(context, flags, args) {
    const { 'all-tags': all, quiet } = flags;
    const ref = referenceOf(args[0]!, all);
    const platform = parsePlatformFlag(flags.platform);
    const given = parseReference(args[0]!);
    if (!all && given.tag === undefined && !quiet) {
      context.console.out(`Using default tag: ${ref.tag}\n`);
    }
    const console = quiet ? { ...context.console, out: () => {} } : context.console;
    await pushImage(context, { reference: ref, platform, console, terminal: !quiet && stdoutIsTerminal() });
    if (quiet) context.console.out(`${canonicalString(ref)}\n`);
    return 0;
  },
});
