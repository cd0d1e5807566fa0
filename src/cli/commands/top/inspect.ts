import { DaemonError } from '../../client/client.ts';
import { defineCommand } from '../../command.ts';
import type { CommandContext } from '../../context.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { text, toggle } from '../../flags/kinds.ts';
import { inspectObjects } from '../inspect-objects.ts';
import { objectFormat } from '../shared-flags.ts';

/** The types that can be inspected, in the order in which a name is looked for. */
const PATHS: Readonly<Record<string, (name: string) => string>> = {
  container: (name) => `/containers/${encodeURIComponent(name)}/json`,
  image: (name) => `/images/${name}/json`,
  network: (name) => `/networks/${encodeURIComponent(name)}`,
  volume: (name) => `/volumes/${encodeURIComponent(name)}`,
};

/** Types that docker knows and that exist only in a swarm or with plugins. */
const ABSENT = ['config', 'node', 'plugin', 'secret', 'service', 'task'];

async function findObject(
  context: CommandContext,
  name: string,
  type: string,
  size: boolean,
): Promise<unknown> {
  if (name.trim() === '') throw new CommandFailure('invalid name or id: value is empty');
  const types = type === '' ? Object.keys(PATHS) : [type];
  for (const candidate of types) {
    const path = PATHS[candidate];
    if (path === undefined) break;
    try {
      const query = candidate === 'container' ? { size } : {};
      return await context.client.json('GET', path(name), { query });
    } catch (error) {
      if (type !== '' || !(error instanceof DaemonError) || error.status !== 404) throw error;
    }
  }
  throw new CommandFailure(`Error: No such object: ${name}`);
}

export const command = defineCommand({
  name: 'inspect',
  summary: 'Return low-level information on containers, images, networks and volumes',
  usage: '[OPTIONS] NAME|ID [NAME|ID...]',
  args: { min: 1 },
  completes: 'container',
  flags: {
    format: objectFormat,
    size: flag(toggle, { short: 's', help: 'Show how much disk space a container takes' }),
    type: flag(text, { help: 'Look only for this type', choices: Object.keys(PATHS) }),
  },
  async run(context, flags, args) {
    if (flags.type !== '' && !(flags.type in PATHS) && !ABSENT.includes(flags.type)) {
      const known = [...Object.keys(PATHS), ...ABSENT].sort().map((name) => `"${name}"`);
      throw new CommandFailure(`unknown type: "${flags.type}": must be one of ${known.join(', ')}`);
    }
    return await inspectObjects(context, args, flags.format, (name) =>
      findObject(context, name, flags.type, flags.size),
    );
  },
});
