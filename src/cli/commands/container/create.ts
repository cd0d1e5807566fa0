import { defineCommand } from '../../command.ts';
import type { CommandContext } from '../../context.ts';
import { createContainer } from '../../run/create.ts';
import { runFailure } from '../../run/failure.ts';
import { CONTAINER_FLAGS } from '../../run/flags.ts';
import { refuseOtherSystems } from '../../run/other-systems.ts';
import { type ContainerFlags, containerSettings } from '../../run/settings.ts';

/** The settings, with the flags' mistakes in the shape that `run` gives them. */
function settings(context: CommandContext, flags: ContainerFlags, args: readonly string[]) {
  try {
    return containerSettings(flags, args[0]!, args.slice(1));
  } catch (error) {
    throw runFailure(context, error);
  }
}

export const command = defineCommand({
  name: 'create',
  summary: 'Create a new container',
  usage: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  args: { min: 1 },
  interspersed: false,
  completes: 'image',
  flags: CONTAINER_FLAGS,
  async run(context, flags, args) {
    refuseOtherSystems(flags);
    const body = settings(context, flags, args);
    context.console.out(`${await createContainer(context, body, flags)}\n`);
    return 0;
  },
});
