import type { Port } from '../../wire/containers.ts';

/** A run of neighbouring ports that are written as one. */
interface PortRange {
  readonly ip: string;
  readonly type: string;
  readonly first: number;
  last: number;
  readonly published: boolean;
}

const joinHost = (ip: string, port: string): string =>
  ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`;

const span = (first: number, last: number): string => (first === last ? String(first) : `${first}-${last}`);

function comparePorts(left: Port, right: Port): number {
  return (
    left.PrivatePort - right.PrivatePort ||
    compareText(left.IP ?? '', right.IP ?? '') ||
    (left.PublicPort ?? 0) - (right.PublicPort ?? 0) ||
    compareText(left.Type, right.Type)
  );
}

const compareText = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

/** Ports whose public number differs from the private one are written alone, others may form ranges. */
function single(port: Port): string {
  return `${joinHost(port.IP ?? '', String(port.PublicPort))}->${port.PrivatePort}/${port.Type}${problem(port)}`;
}

const problem = ({ Problem }: Port): string => (Problem ? ` (${Problem})` : '');

/**
 * The PORTS column: `0.0.0.0:8080->80/tcp, [::]:8080->80/tcp`, with runs of ports joined (`9000-9003/tcp`).
 */
export function displayPorts(ports: readonly Port[]): string {
  const ranges = new Map<string, PortRange>();
  const done: PortRange[] = [];
  const mapped: string[] = [];
  for (const port of [...ports].sort(comparePorts)) {
    const published = port.PublicPort !== undefined && port.PublicPort !== 0 && Boolean(port.IP);
    if (published && (port.PublicPort !== port.PrivatePort || port.Problem)) {
      mapped.push(single(port));
      continue;
    }
    const ip = published ? port.IP! : '';
    const key = `${ip}/${port.Type}`;
    const open = ranges.get(key);
    if (open !== undefined && (port.PrivatePort === open.last + 1 || port.PrivatePort === open.last)) {
      open.last = port.PrivatePort;
      continue;
    }
    if (open !== undefined) done.push(open);
    ranges.set(key, { ip, type: port.Type, first: port.PrivatePort, last: port.PrivatePort, published });
  }
  done.push(...ranges.values());
  const joined = done.map((range) => {
    const numbers = span(range.first, range.last);
    return range.published
      ? `${joinHost(range.ip, numbers)}->${numbers}/${range.type}`
      : `${numbers}/${range.type}`;
  });
  return [...joined, ...mapped].join(', ');
}
