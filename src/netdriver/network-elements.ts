import { ipBytes } from '../kernel/netlink/addresses.ts';
import { concatenation, type MapChange, type MapElement } from '../kernel/netlink/nftables.ts';
import { formatAddress, lastAddress, parseCidr } from './addressing.ts';
import { gatewayMode } from './routed-ports.ts';
import { bridgesOf, furtherBridgesOf, insidePairs, isGrown, type RuledNetwork } from './ruled-network.ts';

const IFNAMSIZ = 16;

/** A network's part of the sets that `ruleset` writes (root test: it comes to the same). */
export function networkElements(network: RuledNetwork): MapChange[] {
  const bridges = bridgesOf(network).map(link);
  const changes: MapChange[] = [
    { map: 'bridges', elements: bridges },
    { map: 'internal', elements: network.internal ? bridges : [] },
    {
      map: 'inside',
      elements: insidePairs(network).map((pair) => ({ key: concatenation(...pair.map(name)) })),
    },
    { map: 'grown', elements: isGrown(network) ? [link(network.bridgeName)] : [] },
    { map: 'further', elements: furtherBridgesOf(network).map(link) },
  ];
  for (const family of ['ipv4', 'ipv6'] as const) {
    const v6 = family === 'ipv6' ? '6' : '';
    const bits = family === 'ipv6' ? 128 : 32;
    const subnets = network.subnets.map(({ subnet }) => subnet).filter((it) => parseCidr(it).bits === bits);
    const mode = gatewayMode(network, family);
    const translated = network.masquerade && !network.internal && mode !== 'routed';
    changes.push(
      {
        map: `home${v6}`,
        elements: subnets.flatMap((it) => bridgesOf(network).map((bridge) => home(it, bridge))),
      },
      { map: `subnets${v6}`, elements: subnets.flatMap(interval) },
      { map: `translated${v6}`, elements: translated ? subnets.flatMap(interval) : [] },
      { map: `routed${v6}`, elements: mode === 'routed' ? bridges : [] },
      { map: `unprotected${v6}`, elements: mode === 'nat-unprotected' ? bridges : [] },
    );
  }
  return changes;
}

function name(bridge: string): Buffer {
  const bytes = Buffer.alloc(IFNAMSIZ);
  bytes.write(bridge);
  return bytes;
}

function link(bridge: string): MapElement {
  return { key: name(bridge) };
}

function ends(subnet: string): [first: Buffer, last: Buffer, after: Buffer] {
  const cidr = parseCidr(subnet);
  const last = lastAddress(cidr);
  const bytes = (value: bigint): Buffer => ipBytes(formatAddress(value, cidr.bits));
  return [bytes(cidr.base), bytes(last), bytes(last + 1n)];
}

function home(subnet: string, bridge: string): MapElement {
  const [first, last] = ends(subnet);
  return { key: concatenation(first, name(bridge)), keyEnd: concatenation(last, name(bridge)) };
}

/** Two elements, where it begins and where what is behind it begins. */
function interval(subnet: string): MapElement[] {
  const [first, , after] = ends(subnet);
  return [{ key: first }, { key: after, isEnd: true }];
}
