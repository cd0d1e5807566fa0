import type { ContainersPruneResponse } from '../../../wire/containers.ts';
import { encodeFilters } from '../../../wire/filters.ts';
import type { ImagesPruneResponse } from '../../../wire/images.ts';
import type { NetworksPruneResponse } from '../../../wire/networks.ts';
import type { BuildPruneResponse } from '../../../wire/system.ts';
import type { VolumesPruneResponse } from '../../../wire/volumes.ts';
import { defineCommand } from '../../command.ts';
import { confirm } from '../../confirm.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { humanSize } from '../../format/size.ts';
import { forcePrune, longFilterFlag } from '../shared-flags.ts';

type Filters = ReadonlyMap<string, readonly string[]>;

function question(all: boolean, volumes: boolean, filters: Filters): string {
  const things = [
    'all stopped containers',
    'all networks not used by at least one container',
    ...(volumes ? ['all anonymous volumes not used by at least one container'] : []),
    all ? 'all images without at least one container associated to them' : 'all dangling images',
    all ? 'all build cache' : 'unused build cache',
  ];
  const limits = [...filters].flatMap(([name, values]) => values.map((value) => `${name}=${value}`)).sort();
  const limited = limits.length === 0 ? '' : `\n  Items to be pruned will be filtered with:\n${list(limits)}`;
  return `WARNING! This will remove:\n${list(things)}${limited}\nAre you sure you want to continue?`;
}

const list = (lines: readonly string[]): string => lines.map((line) => `  - ${line}\n`).join('');

const section = (heading: string, lines: readonly string[]): string =>
  lines.length === 0 ? '' : `${heading}:\n${lines.map((line) => `${line}\n`).join('')}\n`;

export const command = defineCommand({
  name: 'prune',
  summary: 'Remove unused data',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: {
    all: flag(toggle, { short: 'a', help: 'Remove all unused images, not just those without a name' }),
    filter: longFilterFlag,
    force: forcePrune,
    volumes: flag(toggle, { help: 'Remove anonymous volumes too' }),
  },
  async run(context, flags) {
    if (flags.volumes && flags.filter.has('until')) {
      throw new CommandFailure('ERROR: The "until" filter is not supported with "--volumes"');
    }
    if (!flags.force && !(await confirm(context.console, question(flags.all, flags.volumes, flags.filter))))
      return 0;
    const { client, console } = context;
    const query = { filters: flags.filter.size > 0 ? encodeFilters(flags.filter) : undefined };
    let reclaimed = 0;
    const containers = await client.json<ContainersPruneResponse>('POST', '/containers/prune', { query });
    reclaimed += containers.SpaceReclaimed;
    console.out(section('Deleted Containers', containers.ContainersDeleted ?? []));
    const networks = await client.json<NetworksPruneResponse>('POST', '/networks/prune', { query });
    console.out(section('Deleted Networks', networks.NetworksDeleted ?? []));
    if (flags.volumes) {
      const volumes = await client.json<VolumesPruneResponse>('POST', '/volumes/prune', { query });
      reclaimed += volumes.SpaceReclaimed;
      console.out(section('Deleted Volumes', volumes.VolumesDeleted ?? []));
    }
    const filters = encodeFilters(new Map([...flags.filter, ['dangling', [String(!flags.all)]] as const]));
    const images = await client.json<ImagesPruneResponse>('POST', '/images/prune', { query: { filters } });
    reclaimed += images.SpaceReclaimed;
    const lines = (images.ImagesDeleted ?? []).map((item) =>
      'Deleted' in item ? `deleted: ${item.Deleted}` : `untagged: ${item.Untagged}`,
    );
    console.out(section('Deleted Images', lines));
    const cache = await client.json<BuildPruneResponse>('POST', '/build/prune', {
      query: { ...query, all: flags.all ? 1 : undefined },
    });
    reclaimed += cache.SpaceReclaimed;
    console.out(
      `${section('Deleted build cache objects', cache.CachesDeleted ?? [])}Total reclaimed space: ${humanSize(reclaimed)}\n`,
    );
    return 0;
  },
});
