import type { ContainerUpdateBody, ContainerUpdateResponse } from '../../../wire/containers.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure, forEachItem } from '../../failure.ts';
import { flag, optional } from '../../flags/flag.ts';
import { bytes, int, list, map, nanoCpus, swapBytes, text, toggle, uint16 } from '../../flags/kinds.ts';
import { parseRestart } from '../../run/modes.ts';
import { parsePorts } from '../../run/ports.ts';
import { containerPath } from '../each.ts';

export const command = defineCommand({
  name: 'update',
  summary: 'Update configuration of one or more containers',
  usage: '[OPTIONS] CONTAINER [CONTAINER...]',
  args: { min: 1 },
  completes: 'container',
  flags: {
    'blkio-weight': flag(optional(uint16), { help: 'Block IO weight, 10 to 1000, or 0 for none' }),
    'cgroup-conf': flag(map(), { help: 'Set a file of its cgroup (v2 only), such as memory.high=512M' }),
    'cpu-period': flag(optional(int), { help: 'Length of a CPU period in microseconds' }),
    'cpu-quota': flag(optional(int), { help: 'CPU time in each period in microseconds' }),
    'cpu-rt-period': flag(optional(int), { help: 'Length of a real-time period in microseconds' }),
    'cpu-rt-runtime': flag(optional(int), { help: 'Real-time CPU time in each period in microseconds' }),
    'cpu-shares': flag(optional(int), { short: 'c', help: 'CPU weight against other containers' }),
    cpus: flag(optional(nanoCpus), { help: 'How many CPUs it may use, such as 1.5' }),
    'cpuset-cpus': flag(optional(text), { help: 'CPUs it may use (0-3, 0,1)' }),
    'cpuset-mems': flag(optional(text), { help: 'Memory nodes it may use (0-3, 0,1)' }),
    memory: flag(optional(bytes), { short: 'm', help: 'Memory limit, such as 512m' }),
    'memory-reservation': flag(optional(bytes), { help: 'Memory that it keeps when memory is short' }),
    'memory-swap': flag(optional(swapBytes), {
      help: "Limit of memory and swap together, '-1' for unlimited swap",
    }),
    'oom-kill-disable': flag(optional(toggle), {
      help: 'Do not kill its processes when memory runs out (cgroup v1 only)',
    }),
    'pids-limit': flag(optional(int), { help: 'How many processes it may have (-1 for unlimited)' }),
    'publish-add': flag(list(), {
      help: 'Publish one more port, as [IP:][HOST:]CONTAINER[/tcp|udp|sctp]; at once if it runs',
    }),
    'publish-rm': flag(list(), {
      help: 'Take a published port away, as [[IP:]HOST:]CONTAINER[/tcp|udp|sctp]; at once if it runs',
    }),
    restart: flag(optional(text), { help: 'When to start it again after it has ended' }),
  },
  async run(context, flags, args) {
    if (Object.values(flags).every(isNotGiven)) {
      throw new CommandFailure('you must provide one or more flags when using this command');
    }
    const body: ContainerUpdateBody = {
      BlkioWeight: flags['blkio-weight'] ?? 0,
      CpuPeriod: flags['cpu-period'] ?? 0,
      CpuQuota: flags['cpu-quota'] ?? 0,
      CpuRealtimePeriod: flags['cpu-rt-period'] ?? 0,
      CpuRealtimeRuntime: flags['cpu-rt-runtime'] ?? 0,
      CpuShares: flags['cpu-shares'] ?? 0,
      NanoCpus: flags.cpus ?? 0,
      CpusetCpus: flags['cpuset-cpus'] ?? '',
      CpusetMems: flags['cpuset-mems'] ?? '',
      Memory: flags.memory ?? 0,
      MemoryReservation: flags['memory-reservation'] ?? 0,
      MemorySwap: flags['memory-swap'] ?? 0,
      ...(flags['oom-kill-disable'] === undefined ? {} : { OomKillDisable: flags['oom-kill-disable'] }),
      ...(Object.keys(flags['cgroup-conf']).length === 0 ? {} : { CgroupConf: { ...flags['cgroup-conf'] } }),
      ...(flags['pids-limit'] === undefined ? {} : { PidsLimit: flags['pids-limit'] }),
      RestartPolicy: parseRestart(flags.restart ?? ''),
      ...(flags['publish-add'].length === 0 ? {} : { PublishAdd: bindings(flags['publish-add']) }),
      ...(flags['publish-rm'].length === 0 ? {} : { PublishRemove: bindings(flags['publish-rm']) }),
    };
    const warnings: string[] = [];
    await forEachItem(args, async (name) => {
      const path = containerPath(name, '/update');
      const updated = await context.client.json<ContainerUpdateResponse>('POST', path, { json: body });
      warnings.push(...(updated.Warnings ?? []));
      context.console.out(`${name}\n`);
    });
    if (warnings.length > 0) context.console.out(`${warnings.join('\n')}\n`);
    return 0;
  },
});

const bindings = (specs: readonly string[]) => parsePorts(specs, []).bindings;

const isNotGiven = (value: unknown): boolean =>
  value === undefined || (typeof value === 'object' && value !== null && Object.keys(value).length === 0);
