import type { NetworkSpec } from './netdriver.ts';

/** A network as the rules know it: with its further bridges when it has outgrown one (bridge-names.ts). */
export interface RuledNetwork extends NetworkSpec {
  readonly furtherBridges?: readonly string[];
}

/** All bridges of a network, the one with the gateway's addresses first. */
export function bridgesOf(network: RuledNetwork): string[] {
  return [network.bridgeName, ...furtherBridgesOf(network)];
}

export function furtherBridgesOf({ furtherBridges = [] }: RuledNetwork): readonly string[] {
  return furtherBridges;
}

export function isGrown(network: RuledNetwork): boolean {
  return furtherBridgesOf(network).length > 0;
}

/**
 * Ways between bridges that a network's inside takes. Bridged frames pass the rules where bridge-nf-call-iptables is
 * set; without icc the ports of the bridges keep endpoints apart, and a further bridge is the way to the gateway.
 */
export function insidePairs(network: RuledNetwork): Array<[string, string]> {
  const all = bridgesOf(network);
  return network.icc
    ? all.flatMap((from) => all.map((to): [string, string] => [from, to]))
    : furtherBridgesOf(network).map((name): [string, string] => [name, name]);
}
