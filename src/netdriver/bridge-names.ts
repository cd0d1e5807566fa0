/** A bridge of the kernel takes this many interfaces (BR_MAX_PORTS less one). */
export const BRIDGE_PORTS = 1023;

/**
 * A network that outgrows its bridge gets further ones, numbered from 1; its first bridge is number 0. Each further
 * bridge hangs on another one of the network by a pair of links. Everything is found again by these names.
 */
export interface FurtherBridge {
  readonly number: number;
  readonly name: string;
  /** End of the pair in the bridge that it hangs on. */
  readonly upper: string;
  /** End of the pair in the further bridge. */
  readonly lower: string;
}

export function furtherBridge(networkId: string, number: number): FurtherBridge {
  const rest = `${networkId.slice(0, 9)}-${number}`;
  return { number, name: `bx${rest}`, upper: `bu${rest}`, lower: `bd${rest}` };
}

/** The numbers of a network's further bridges among these links, ascending. */
export function furtherNumbers(networkId: string, linkNames: Iterable<string>): number[] {
  const start = furtherBridge(networkId, 0).name.slice(0, -1);
  const numbers: number[] = [];
  for (const name of linkNames) {
    const number = name.startsWith(start) ? name.slice(start.length) : '';
    if (/^[1-9]\d{0,2}$/.test(number)) numbers.push(Number(number));
  }
  return numbers.sort((a, b) => a - b);
}

/** How a network's bridges hang together, for bridges of `limit` ports. */
export interface TreeShape {
  /** Ports of each bridge that are kept for further bridges. */
  readonly kept: number;
  /** The number of the bridge that a further one hangs on. */
  above(number: number): number;
  /** Endpoints that a bridge may have. */
  room(number: number): number;
}

/** With the kernel's limit: 63 further bridges on the first, so no two endpoints are more than three bridges apart. */
export function treeShape(limit: number): TreeShape {
  const kept = Math.max(1, Math.floor(limit / 16));
  return {
    kept,
    above: (number) => Math.floor((number - 1) / kept),
    room: (number) => limit - kept - (number === 0 ? 0 : 1),
  };
}
