import { flag } from '../flags/flag.ts';
import { filter, text, toggle } from '../flags/kinds.ts';

/** `--format` of commands that print lists. */
export const listFormat = flag(text, {
  help: `How to print, as a Go template or one of:
'table':            a table with headings (default)
'table TEMPLATE':   a table of the template's columns
'json':             one JSON object a line
'TEMPLATE':         the template, once a line`,
});

/** `-f, --format` of commands that print objects. */
export const objectFormat = flag(text, {
  short: 'f',
  help: `How to print:
'json':             JSON
'TEMPLATE':         a Go template`,
});

/** `-f, --filter`. */
export const filterFlag = flag(filter, { short: 'f', help: 'Show only what matches, as name=value' });

/** `--filter` where -f means something else. */
export const longFilterFlag = flag(filter, { help: 'Take only what matches, as name=value' });

export const noTrunc = flag(toggle, { help: 'Print everything in full length' });

/** `-f, --force` of the prune commands. */
export const forcePrune = flag(toggle, { short: 'f', help: 'Do not ask for confirmation' });

/** `--detach-keys`. */
export const detachKeys = flag(text, { help: 'Keys that detach from the container (default ctrl-p,ctrl-q)' });

/** `--insecure` of the commands that ask a registry themselves. */
export const insecureRegistry = flag(toggle, {
  help: "Do not verify the registry's certificate, and do with plain HTTP",
});
