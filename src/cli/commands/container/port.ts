import type { ContainerInspect, PortBinding } from '../../../wire/containers.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { containerPath } from '../each.ts';

const address = ({ HostIp, HostPort }: PortBinding): string =>
  HostIp.includes(':') ? `[${HostIp}]:${HostPort}` : `${HostIp}:${HostPort}`;

/** `80/tcp` before `443/tcp`, tcp before udp. */
function comparePorts(left: string, right: string): number {
  return Number.parseInt(left, 10) - Number.parseInt(right, 10) || (left < right ? -1 : 1);
}

export const command = defineCommand({
  name: 'port',
  summary: 'List port mappings or a specific mapping for the container',
  usage: 'CONTAINER [PRIVATE_PORT[/PROTO]]',
  args: { min: 1, max: 2 },
  completes: 'running-container',
  flags: {},
  async run(context, _flags, args) {
    const [name = '', wanted] = args;
    const container = await context.client.json<ContainerInspect>('GET', containerPath(name, '/json'));
    const ports = container.NetworkSettings.Ports ?? {};
    if (wanted !== undefined) {
      const [number = '', protocol = 'tcp'] = wanted.split('/');
      if (!/^\d+$/.test(number) || Number(number) > 65535) {
        throw new CommandFailure(`Error: invalid port (${number}): value out of range (0–65535)`);
      }
      const bindings = ports[`${number}/${protocol}`] ?? [];
      if (bindings.length === 0)
        throw new CommandFailure(`Error: No public port '${wanted}' published for ${name}`);
      context.console.out(bindings.map((binding) => `${address(binding)}\n`).join(''));
      return 0;
    }
    const lines = Object.keys(ports)
      .sort(comparePorts)
      .flatMap((port) => (ports[port] ?? []).map((binding) => `${port} -> ${address(binding)}\n`));
    context.console.out(lines.join(''));
    return 0;
  },
});
