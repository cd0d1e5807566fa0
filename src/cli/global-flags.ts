import type { FlagTable } from './command.ts';
import { flag } from './flags/flag.ts';
import { list, text, textOr, toggle } from './flags/kinds.ts';

/** The options before the command's name. */
export const GLOBAL_FLAGS = {
  config: flag(text, { help: "Folder of the client's configuration (default ~/.docker)" }),
  context: flag(text, {
    short: 'c',
    help: 'Accepted for compatibility; the daemon is chosen with -H',
    hidden: true,
  }),
  debug: flag(toggle, { short: 'D', help: 'Say more about errors' }),
  host: flag(list(), {
    short: 'H',
    help: "The daemon's address (unix:///path), also from TARE_HOST and DOCKER_HOST",
  }),
  'log-level': flag(textOr('info'), {
    short: 'l',
    help: 'How much to say ("debug", "info", "warn", "error", "fatal")',
  }),
  version: flag(toggle, { short: 'v', help: 'Print the version and quit' }),
} satisfies FlagTable;
