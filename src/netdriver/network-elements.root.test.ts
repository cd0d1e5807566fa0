/** Networks that come and go by single elements leave the table as if it had been written anew. */
import { afterEach, beforeEach, expect, test } from 'bun:test';
import { NetworkLab } from '../../test/support/network-lab.ts';
import { silentLogger } from '../base/log.ts';
import { Firewall } from './firewall.ts';
import type { RuledNetwork } from './ruled-network.ts';

let lab: NetworkLab;
let firewall: Firewall;
beforeEach(() => {
  lab = new NetworkLab();
  firewall = new Firewall({ table: 'tare', log: silentLogger });
});
afterEach(async () => {
  await firewall.dismantle();
  lab.close();
});

function net(name: string, subnets: readonly string[], more: Partial<RuledNetwork> = {}): RuledNetwork {
  return {
    ...{ id: name, name, driver: 'bridge', bridgeName: name, internal: false, mtu: 1500, icc: true },
    ...{ masquerade: true, hostBinding: '0.0.0.0' },
    subnets: subnets.map((subnet) => ({ subnet, gateway: '' })),
    ...more,
  };
}

const NETWORKS = [
  net('n1', ['10.1.0.0/24']),
  // Next to the first, and far at the end.
  net('n2', ['10.1.1.0/24', 'fd00:2::/64'], { icc: false }),
  net('n3', ['255.255.254.0/24'], { internal: true }),
  net('n4', ['10.1.2.0/23', 'fd00:4::/64'], { gatewayModes: { ipv4: 'routed', ipv6: 'nat-unprotected' } }),
  net('n5', ['10.1.4.0/28'], { masquerade: false, furtherBridges: ['bxn5-1', 'bxn5-2'] }),
  net('averylongname15', ['172.16.0.0/12'], { gatewayModes: { ipv4: 'nat-unprotected', ipv6: 'routed' } }),
];

/** Set by set, with sorted elements. */
function sets(): Map<string, string[]> {
  const text = lab.run('nft', 'list', 'table', 'inet', 'tare');
  const found = new Map<string, string[]>();
  for (const [, name = '', body = ''] of text.matchAll(/(?:set|map) (\S+) \{([\s\S]*?)\n\t\}/g)) {
    const elements = /elements = \{([\s\S]*?)\}/.exec(body)?.[1] ?? '';
    found.set(
      name,
      elements
        .split(',')
        .map((it) => it.trim().replaceAll(/\s+/g, ' '))
        .sort(),
    );
  }
  return found;
}

test('added one by one, removed one by one, in any order', async () => {
  await firewall.setNetworks([]);
  const empty = sets();
  const present: RuledNetwork[] = [];
  for (const network of NETWORKS) {
    present.push(network);
    await firewall.changeNetwork('add', network, present);
    const changed = sets();
    await firewall.setNetworks(present);
    expect(changed).toEqual(sets());
  }
  for (const index of [1, 3, 0, 2, 1, 0]) {
    const [gone] = present.splice(index, 1);
    await firewall.changeNetwork('delete', gone!, present);
    const changed = sets();
    await firewall.setNetworks(present);
    expect(changed).toEqual(sets());
  }
  expect(sets()).toEqual(empty);
  for (const network of NETWORKS) await firewall.changeNetwork('add', network, NETWORKS);
  // Somebody took the table, or an element: the next change puts all back.
  lab.run('nft', 'flush', 'set', 'inet', 'tare', 'bridges');
  await firewall.changeNetwork('delete', NETWORKS[5]!, NETWORKS.slice(0, 5));
  expect(sets().get('bridges')).toHaveLength(7);
  lab.run('nft', 'flush', 'ruleset');
  await firewall.changeNetwork('add', NETWORKS[5]!, NETWORKS);
  expect(sets().get('bridges')).toHaveLength(8);
}, 60_000);
