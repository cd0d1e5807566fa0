import type { NetworkFacts } from '../../../src/engine/containers/explain/facts.ts';
import type { Container, PublishedPort } from '../../../src/engine/containers/model.ts';
import { parseRuleset } from '../../../src/netdriver/firewall-survey.ts';

const endpoint = (networkId: string, networkName: string, ipv4: string, more: object = {}) => ({
  networkId,
  networkName,
  endpointId: 'e',
  ipv4,
  ipv6: '',
  defaultGateway: true,
  ...more,
});

function container(
  name: string,
  networkMode: string,
  endpoints: object[],
  ports: PublishedPort[] = [],
  { status = 'running', portBindings = {} }: { status?: string; portBindings?: object } = {},
): Container {
  return {
    id: name.repeat(64).slice(0, 64),
    name,
    state: { status },
    hostConfig: { networkMode, portBindings },
    endpoints,
    ports,
  } as unknown as Container;
}

const tcp = (hostIp: string, hostPort: number, containerPort: number, more: object = {}): PublishedPort => ({
  protocol: 'tcp',
  containerPort,
  hostIp,
  hostPort,
  ...more,
});
const listens = (address: string, port: number) => ({ protocol: 'tcp' as const, address, port, inode: '1' });

/** What `nft -n list ruleset` prints, cut to what matters. */
const OURS = `table inet tare {
	chain forward {
		type filter hook forward priority 0; policy accept;
		oifname @bridges drop
	}
}
`;
const DOCKERD = `table ip filter {
	chain FORWARD {
		type filter hook forward priority 0; policy drop;
		counter packets 0 bytes 0 jump DOCKER-USER
	}
	chain DOCKER-USER {
		iifname "tare0" counter packets 0 bytes 0 accept comment "tare:tare:tare0"
		counter packets 0 bytes 0 return
	}
}
`;
const ADMIN = `table inet admin {
	chain input {
		type filter hook input priority 0; policy drop;
		ct state 0x2,0x4 accept
		ip saddr 192.0.2.0/24 tcp dport 8080 accept
		tcp dport 22 accept
	}
	chain through {
		type filter hook forward priority 0; policy accept;
		ip daddr 172.17.0.2 ip saddr 203.0.113.0/24 drop
	}
}
`;

const network = (id: string, bridgeName: string, more: object = {}) => ({
  id,
  name: id,
  driver: 'bridge',
  bridgeName,
  internal: false,
  icc: true,
  masquerade: true,
  ...more,
});

const web = container('web', 'bridge', [endpoint('bridge', 'bridge', '172.17.0.2/16')], [
  tcp('0.0.0.0', 8080, 80),
  tcp('::', 8080, 80),
  tcp('127.0.0.1', 8443, 443),
  tcp('0.0.0.0', 9000, 9000),
  tcp('0.0.0.0', 9001, 9001, { taken: true }),
]);

/** A host with some of everything. */
export const FACTS: NetworkFacts = {
  table: 'tare',
  filtered: false,
  chains: parseRuleset(OURS),
  addresses: ['127.0.0.1', '::1', '198.51.100.1', '2001:db8::1', '172.17.0.1'],
  programs: [
    { ...listens('0.0.0.0', 22), program: 'sshd (pid 7)' },
    { ...listens('0.0.0.0', 9001), program: 'node (pid 8)' },
  ],
  networks: [
    network('bridge', 'tare0'),
    network('back', 'br-back', { internal: true }),
    network('apart', 'br-apart', { icc: false, masquerade: false }),
    network('lan', '', { driver: 'macvlan' }),
  ],
  containers: [
    { container: web, listeners: [listens('0.0.0.0', 80), listens('127.0.0.1', 9000), listens('::', 9001)] },
    {
      container: container('db', 'back', [
        endpoint('back', 'back', '172.18.0.2/16', { defaultGateway: false }),
      ]),
      listeners: [listens('0.0.0.0', 5432)],
    },
    { container: container('lone', 'apart', [endpoint('apart', 'apart', '172.19.0.2/16')]), listeners: [] },
    { container: container('phone', 'lan', [endpoint('lan', 'lan', '192.168.1.9/24')]), listeners: [] },
    { container: container('raw', 'host', []), listeners: [] },
    { container: container('side', 'container:web', []), listeners: [] },
    { container: container('shut', 'none', []), listeners: [] },
    {
      container: container('old', 'bridge', [], [], {
        status: 'exited',
        portBindings: { '80/tcp': [{ hostIp: '', hostPort: '7000' }] },
      }),
      listeners: [],
    },
  ],
};

/** The same host in other circumstances. */
export const VARIANTS: Readonly<Record<string, NetworkFacts>> = {
  plain: FACTS,
  dockerd: { ...FACTS, chains: parseRuleset(OURS + DOCKERD) },
  admin: { ...FACTS, chains: parseRuleset(OURS + ADMIN) },
  filtered: { ...FACTS, filtered: true, chains: parseRuleset(OURS + ADMIN) },
  flushed: { ...FACTS, chains: [] },
};
