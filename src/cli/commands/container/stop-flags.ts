import { flag, optional } from '../../flags/flag.ts';
import { int, text } from '../../flags/kinds.ts';

/** Flags of stop and restart. */
export const STOP_FLAGS = {
  signal: flag(text, { short: 's', help: 'Signal to send first' }),
  time: flag(optional(int), {
    help: 'Seconds to wait',
    aliasOf: 'timeout',
    deprecated: 'use --timeout instead',
  }),
  timeout: flag(optional(int), { short: 't', help: 'Seconds to wait before the container is killed' }),
};
