import { isIPv6 } from 'node:net';
import { bareAddress } from '../../../netdriver/addressing.ts';
import { publishingEndpoint } from '../endpoints.ts';
import { isAlive } from '../lifecycle.ts';
import type { PublishedPort } from '../model.ts';
import type { Explanation, Finding } from './explanation.ts';
import type { NetworkFacts } from './facts.ts';
import { foreignForward, inputPolicy } from './foreign.ts';

export interface PortQuestion {
  /** An address, or empty for any of the host's. */
  readonly host: string;
  readonly port: number;
  readonly protocol: 'tcp' | 'udp' | 'sctp';
}

type Owner = NetworkFacts['containers'][number] & { readonly published: PublishedPort };

const join = (host: string, port: number): string => (isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`);
const isAny = (host: string): boolean => host === '::' || host === '0.0.0.0';
const isLoopback = (host: string): boolean => host === '::1' || host.startsWith('127.');

/** What happens to a packet to a port of the host. Pure. */
export function explainPort(question: PortQuestion, facts: NetworkFacts): Explanation {
  const { host, port, protocol } = question;
  const target = `${host === '' ? `port ${port}` : join(host, port)}/${protocol}`;
  const own = containerOfAddress(host, facts);
  if (own !== undefined) return explainInner(question, target, own, facts);
  if (host !== '' && !isAny(host) && !isLoopback(host) && !facts.addresses.includes(host)) {
    return {
      target: target,
      summary: `${host} is no address of this host: Tare does nothing to packets that go there.`,
      findings: [],
    };
  }
  const owner = findOwner(question, facts);
  const program = facts.programs.find(
    (one) => one.protocol === protocol && one.port === port && covers(one.address, host),
  );
  if (!owner) return explainUnpublished(question, target, program?.program, facts);
  return {
    target: target,
    summary: `${target} leads to ${describe(owner)}.`,
    findings: [
      ...missingTable(facts),
      ...ways(question, owner, facts),
      ...problems(question, owner, program?.program, facts),
    ],
  };
}

/** True when a socket or publication at `address` is meant by a packet to `host` (empty: any). */
function covers(address: string, host: string): boolean {
  if (host === '') return true;
  return (
    address === host || address === (isIPv6(host) ? '::' : '0.0.0.0') || (address === '::' && !isIPv6(host))
  );
}

function findOwner({ host, port, protocol }: PortQuestion, facts: NetworkFacts): Owner | undefined {
  for (const entry of facts.containers) {
    if (!isAlive(entry.container.state)) continue;
    const published = entry.container.ports.find(
      (one) =>
        one.protocol === protocol &&
        one.hostPort === port &&
        (host === '' || one.hostIp === host || one.hostIp === (isIPv6(host) ? '::' : '0.0.0.0')),
    );
    if (published) return { ...entry, published };
  }
  return undefined;
}

function containerOfAddress(
  host: string,
  facts: NetworkFacts,
): NetworkFacts['containers'][number] | undefined {
  if (host === '') return undefined;
  return facts.containers.find(({ container }) =>
    container.endpoints.some(({ ipv4, ipv6 }) => bareAddress(ipv4) === host || bareAddress(ipv6) === host),
  );
}

function innerAddress({ container, published }: Owner): string {
  const endpoint = publishingEndpoint(container.endpoints);
  const v6 = isIPv6(published.hostIp) && published.hostIp !== '::1' && bareAddress(endpoint?.ipv6 ?? '');
  return v6 || bareAddress(endpoint?.ipv4 ?? '') || bareAddress(endpoint?.ipv6 ?? '');
}

function describe(owner: Owner): string {
  const { container, published } = owner;
  const network = publishingEndpoint(container.endpoints)?.networkName ?? '';
  return `container ${container.name}, ${join(innerAddress(owner), published.containerPort)} on network ${network}`;
}

/** The ways in, and the rule of ours that decides on each. */
function ways(question: PortQuestion, owner: Owner, facts: NetworkFacts): Finding[] {
  const { published } = owner;
  const v6 = isIPv6(published.hostIp);
  const anywhere = published.hostIp === (v6 ? '::' : '0.0.0.0');
  const map = `ports${v6 ? '6' : ''}${anywhere ? '' : '_at'}`;
  const rule = `table inet ${facts.table}, chain publish: map ${map} (${join(published.hostIp, published.hostPort)})`;
  // What goes to ::1, or from IPv6 to a container that has IPv4 only, no rule can lead there.
  const forwarded = v6 && (!isIPv6(innerAddress(owner)) || question.host === '::1');
  const by = forwarded
    ? 'the forwarder of the daemon (no rule leads from IPv6 to IPv4, or away from ::1)'
    : rule;
  const seen = forwarded
    ? "the container sees the host's address, and it works while the daemon runs"
    : 'the container sees their address';
  const loopback = [question.host, published.hostIp].find(isLoopback);
  const outside: Finding[] = loopback
    ? [
        {
          from: 'other machines',
          verdict: 'stopped',
          text: isLoopback(published.hostIp)
            ? `it is published on ${loopback} only, which nobody reaches from outside`
            : `nobody reaches ${loopback} from outside; by another address of this host they get there`,
          rule: `the kernel: no packet to ${loopback} comes in from outside`,
        },
      ]
    : facts.filtered
      ? [
          {
            from: 'other machines, containers',
            verdict: 'depends',
            text: `the host's input policy decides ("publish": "filtered"); whom it lets in: ${seen}`,
            rule: forwarded
              ? by
              : `table ${v6 ? 'ip6' : 'ip'} ${facts.table}, chain passed: the last in the input hook`,
          },
          ...inputPolicy(facts, published.protocol, published.hostPort),
        ]
      : [
          {
            from: 'other machines',
            verdict: 'passes',
            text: `led to the container; ${seen}; the host's input policy is not asked ("publish": "open", as Docker)`,
            rule: by,
          },
          {
            from: 'containers, to an address of this host',
            verdict: 'passes',
            text: 'led to the container, whatever network they are in, but for internal ones',
            rule: forwarded ? by : `${by}; chain forward: oifname @bridges ct status dnat accept`,
          },
        ];
  const host: Finding = {
    from: 'this host',
    verdict: 'passes',
    text: isLoopback(question.host || published.hostIp)
      ? "led to the container, which sees the bridge's address"
      : 'led to the container',
    rule: by.replace('chain publish', 'chain own, then publish'),
  };
  return [...outside, host];
}

function problems(
  { protocol }: PortQuestion,
  owner: Owner,
  program: string | undefined,
  facts: NetworkFacts,
): Finding[] {
  const { container, published, listeners } = owner;
  const inner = innerAddress(owner);
  const endpoint = publishingEndpoint(container.endpoints);
  const bridge = facts.networks.find(({ id }) => id === endpoint?.networkId)?.bridgeName;
  const findings = foreignForward(facts, bridge ? [bridge] : [], [inner, ...(bridge ? [bridge] : [])]);
  if (published.taken) {
    findings.push({
      from: 'everybody',
      verdict: 'note',
      text: `${program ?? 'another program'} took the port while no daemon was there; packets go to the container all the same, and the port is held again when it becomes free`,
    });
  }
  if (protocol !== 'sctp') findings.push(listening(container.name, published, inner, listeners));
  return findings;
}

function missingTable({ chains, table: own }: NetworkFacts): Finding[] {
  if (chains.some(({ family, table }) => family === 'inet' && table === own)) return [];
  return [
    {
      from: 'everybody',
      verdict: 'stopped',
      text: `the table inet ${own} is gone now: somebody removed it; the daemon puts it back within a second, and then:`,
    },
  ];
}

function listening(
  name: string,
  { protocol, containerPort }: Pick<PublishedPort, 'protocol' | 'containerPort'>,
  inner: string,
  listeners: Owner['listeners'],
): Finding {
  const here = listeners.filter((one) => one.protocol === protocol && one.port === containerPort);
  if (here.some(({ address }) => covers(address, inner))) {
    return {
      from: 'the container',
      verdict: 'passes',
      text: `a program listens on ${containerPort}/${protocol}`,
    };
  }
  const [other] = here;
  const answer = protocol === 'tcp' ? 'connections are refused' : 'datagrams are lost';
  return {
    from: 'the container',
    verdict: 'stopped',
    text: other
      ? `a program listens on ${join(other.address, containerPort)}/${protocol} only, not on ${inner}: ${answer}; make it listen on 0.0.0.0`
      : `nothing listens on ${containerPort}/${protocol} in ${name}: ${answer}`,
  };
}

function explainUnpublished(
  { port, protocol, host }: PortQuestion,
  target: string,
  program: string | undefined,
  facts: NetworkFacts,
): Explanation {
  const elsewhere = facts.containers.flatMap(({ container }) =>
    isAlive(container.state)
      ? container.ports
          .filter((one) => one.protocol === protocol && one.hostPort === port)
          .map((one) => `${container.name} at ${join(one.hostIp, port)}`)
      : [],
  );
  const stopped = facts.containers.find(
    ({ container }) =>
      !isAlive(container.state) &&
      Object.values(container.hostConfig.portBindings).some((list) =>
        list.some(({ hostPort }) => hostPort === String(port)),
      ),
  );
  const findings: Finding[] = [];
  if (elsewhere.length > 0) {
    findings.push({
      from: 'everybody',
      verdict: 'note',
      text: `the port is published by ${elsewhere.join(', ')}, which does not cover ${host || 'all addresses'}`,
    });
  }
  if (stopped) {
    findings.push({
      from: 'everybody',
      verdict: 'note',
      text: `container ${stopped.container.name} would publish it, but does not run (${stopped.container.state.status})`,
    });
  }
  if (program) findings.push(...inputPolicy(facts, protocol, port));
  return {
    target: target,
    summary: program
      ? `${target} is not published by a container; ${program} listens there.`
      : `${target} is not published by a container, and nothing listens there: the host refuses.`,
    findings: findings,
  };
}

/** A packet to a container's own address. */
function explainInner(
  { port, protocol, host }: PortQuestion,
  target: string,
  { container, listeners }: NetworkFacts['containers'][number],
  facts: NetworkFacts,
): Explanation {
  const endpoint = container.endpoints.find(
    ({ ipv4, ipv6 }) => bareAddress(ipv4) === host || bareAddress(ipv6) === host,
  );
  const network = facts.networks.find(({ id }) => id === endpoint?.networkId);
  const name = network?.name ?? '';
  const table = `table inet ${facts.table}`;
  const findings: Finding[] = [
    {
      from: 'other machines, containers of other networks',
      verdict: 'stopped',
      text: 'networks are isolated: only published ports lead in',
      rule: network?.internal
        ? `${table}, chain forward: oifname @internal drop`
        : `${table}, chain forward: oifname @bridges drop`,
    },
    network?.icc === false
      ? {
          from: `containers of network ${name}`,
          verdict: 'stopped',
          text: 'the network keeps its containers apart (com.docker.network.bridge.enable_icc=false)',
          rule: `${table}, chain forward: no pair for ${network.bridgeName} in @inside; its ports are isolated`,
        }
      : {
          from: `containers of network ${name}`,
          verdict: 'passes',
          text: 'free within the network',
          rule: `the bridge ${network?.bridgeName ?? ''}; where bridged frames pass the hooks, ${table}, chain forward: iifname . oifname @inside accept`,
        },
    {
      from: 'this host',
      verdict: 'passes',
      text: 'the host reaches its containers',
      rule: 'no rule: it leaves by the bridge',
    },
    ...(protocol === 'sctp'
      ? []
      : [listening(container.name, { protocol, containerPort: port }, host, listeners)]),
  ];
  return {
    target: target,
    summary: `${host} is container ${container.name} on network ${name}.`,
    findings: findings,
  };
}
