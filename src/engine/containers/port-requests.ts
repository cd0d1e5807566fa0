import { isIP } from 'node:net';
import { TareError } from '../../base/errors.ts';
import type { Publication } from '../../netdriver/netdriver.ts';
import type { ContainerConfig, HostConfig } from './model.ts';

type Protocol = Publication['protocol'];

/** Parses `80`, `80/tcp`, `53/udp`. Throws in Docker's words. */
export function parsePort(text: string): { port: number; protocol: Protocol } {
  const [number = '', protocol = 'tcp', ...rest] = text.toLowerCase().split('/');
  const port = parseNumber(number);
  if (rest.length > 0 || port === undefined) {
    throw new TareError('invalid', `invalid port specification: "${text}"`);
  }
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') {
    throw new TareError('invalid', `invalid port specification: "${text}": invalid proto: ${protocol}`);
  }
  return { port, protocol };
}

function parseNumber(text: string): number | undefined {
  if (!/^\d{1,5}$/.test(text)) return undefined;
  const port = Number(text);
  return port <= 65_535 ? port : undefined;
}

/** Parses `8080`, `8000-8010` or nothing (0: any). Throws in Docker's words. */
export function parseHostPorts(text: string): { first: number; last: number } {
  if (text === '') return { first: 0, last: 0 };
  const [from = '', to = from, ...rest] = text.split('-');
  const first = parseNumber(from);
  const last = parseNumber(to);
  if (rest.length > 0 || first === undefined || last === undefined || last < first) {
    throw new TareError('invalid', `invalid port specification: "${text}"`);
  }
  return { first, last };
}

/** What a container wants published: its bindings, and with `-P` each exposed port without one. */
export function publicationsOf(config: ContainerConfig, host: HostConfig): Publication[] {
  const result: Publication[] = [];
  for (const [key, bindings] of Object.entries(host.portBindings)) {
    const { port, protocol } = parsePort(key);
    for (const binding of bindings) {
      if (binding.hostIp !== '' && isIP(binding.hostIp) === 0) {
        throw new TareError('invalid', `invalid port binding: invalid IP address: ${binding.hostIp}`);
      }
      const { first, last } = parseHostPorts(binding.hostPort);
      result.push({
        protocol,
        containerPort: port,
        hostIp: binding.hostIp,
        hostPort: first,
        hostPortEnd: last,
      });
    }
  }
  if (!host.publishAllPorts) return result;
  const bound = new Set(result.map((entry) => `${entry.containerPort}/${entry.protocol}`));
  for (const key of Object.keys(config.exposedPorts)) {
    const { port, protocol } = parsePort(key);
    if (bound.has(`${port}/${protocol}`)) continue;
    result.push({ protocol, containerPort: port, hostIp: '', hostPort: 0, hostPortEnd: 0 });
  }
  return result;
}
