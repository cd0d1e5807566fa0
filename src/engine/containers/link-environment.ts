/** What a linked container is and where it is: the input of the variables that a legacy link sets. */
export interface LinkedContainer {
  /** Name of the link as Docker writes it: `/PARENT/ALIAS`. */
  readonly name: string;
  readonly address: string;
  readonly env: readonly string[];
  /** `80/tcp`, … */
  readonly exposedPorts: readonly string[];
}

interface Port {
  readonly number: number;
  readonly protocol: string;
}

/**
 * The variables that tell a container about one it is linked to (`DB_PORT_5432_TCP_ADDR` …), as dockerd has set them
 * since links were its only kind of network.
 */
export function linkEnvironment(linked: LinkedContainer): string[] {
  const { name, address, env } = linked;
  const alias = name
    .slice(name.lastIndexOf('/') + 1)
    .toUpperCase()
    .replaceAll('-', '_');
  const ports = linked.exposedPorts.map(parsePort).sort(byProtocol);
  const url = ({ protocol, number }: Port): string => `${protocol}://${address}:${number}`;
  const result: string[] = [];
  const lowest = ports.toSorted((a, b) => a.number - b.number || byProtocol(a, b))[0];
  if (lowest) result.push(`${alias}_PORT=${url(lowest)}`);
  const prefix = ({ number, protocol }: Port): string => `${alias}_PORT_${number}_${protocol.toUpperCase()}`;
  for (let index = 0; index < ports.length; ) {
    const end = contiguousEnd(ports, index);
    if (end > index + 1)
      result.push(...rangeVariables(prefix(ports[index]!), ports[index]!, ports[end]!, url));
    index = end > index + 1 ? end + 1 : index + 1;
  }
  for (const port of ports) {
    result.push(`${prefix(port)}=${url(port)}`, `${prefix(port)}_ADDR=${address}`);
    result.push(`${prefix(port)}_PORT=${port.number}`, `${prefix(port)}_PROTO=${port.protocol}`);
  }
  result.push(`${alias}_NAME=${name}`);
  for (const entry of env) {
    const key = entry.slice(0, Math.max(entry.indexOf('='), 0));
    if (key !== '' && key !== 'HOME' && key !== 'PATH') result.push(`${alias}_ENV_${entry}`);
  }
  return result;
}

/** Three ports in a row or more are told as a range, too. */
function rangeVariables(prefix: string, first: Port, last: Port, url: (port: Port) => string): string[] {
  return [
    `${prefix}_START=${url(first)}`,
    `${prefix}_PORT_START=${first.number}`,
    `${prefix}_END=${url(last)}`,
    `${prefix}_PORT_END=${last.number}`,
  ];
}

function parsePort(text: string): Port {
  const [number = '0', protocol = 'tcp'] = text.split('/');
  return { number: Number.parseInt(number, 10), protocol };
}

/** tcp before all others, then by number. */
function byProtocol(a: Port, b: Port): number {
  if (a.protocol === b.protocol) return a.number - b.number;
  if (a.protocol === 'tcp' || b.protocol === 'tcp') return a.protocol === 'tcp' ? -1 : 1;
  return a.protocol < b.protocol ? -1 : 1;
}

/** Index of the last port of a run of numbers that begins at `index`. */
function contiguousEnd(ports: readonly Port[], index: number): number {
  let end = index;
  while (end + 1 < ports.length && ports[end + 1]!.number <= ports[end]!.number + 1) end++;
  return end;
}
