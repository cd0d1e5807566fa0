import { defineCommand } from '../../command.ts';
import { COMPLETION_SCRIPTS } from '../../completion/scripts.ts';
import { CommandFailure } from '../../failure.ts';

export const command = defineCommand({
  name: 'completion',
  summary: 'Print the completion script for a shell',
  description: `Print the completion script for a shell. To use it now and in new shells:
  bash:  tare completion bash > /etc/bash_completion.d/tare
  zsh:   tare completion zsh > "\${fpath[1]}/_tare"
  fish:  tare completion fish > ~/.config/fish/completions/tare.fish`,
  usage: 'bash|zsh|fish',
  args: { min: 1, max: 1 },
  offline: true,
  flags: {},
  async run(context, _flags, args) {
    const shell = args[0]!;
    const script = Object.hasOwn(COMPLETION_SCRIPTS, shell) ? COMPLETION_SCRIPTS[shell] : undefined;
    if (script === undefined)
      throw new CommandFailure(`no completion for the shell "${shell}": use bash, zsh or fish`);
    context.console.out(script);
    return 0;
  },
});
