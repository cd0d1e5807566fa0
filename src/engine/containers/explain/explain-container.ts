import { isIPv6 } from 'node:net';
import { bareAddress } from '../../../netdriver/addressing.ts';
import { publishingEndpoint } from '../endpoints.ts';
import { isAlive } from '../lifecycle.ts';
import type { Container } from '../model.ts';
import { networkMode } from '../modes.ts';
import { explainPort } from './explain-port.ts';
import type { Explanation, Finding } from './explanation.ts';
import type { NetworkFacts } from './facts.ts';
import { foreignForward } from './foreign.ts';

/** What happens to packets from and to a container. Pure. */
export function explainContainer(container: Container, facts: NetworkFacts): Explanation {
  const target = `container ${container.name}`;
  const mode = networkMode(container.hostConfig.networkMode);
  if (!isAlive(container.state)) {
    return {
      target: target,
      summary: `${container.name} does not run (${container.state.status}): it has no interface, address or published port now.`,
      findings: [],
    };
  }
  if (mode.kind === 'container') {
    return {
      target: target,
      summary: `${container.name} shares the network of container ${mode.ref}: ask about that one.`,
      findings: [],
    };
  }
  if (mode.word === 'host') {
    return {
      target: target,
      summary: `${container.name} uses the host's network: its ports are the host's, and the host's input policy holds for them.`,
      findings: [],
    };
  }
  const placed = container.endpoints.filter(({ ipv4, ipv6 }) => ipv4 !== '' || ipv6 !== '');
  if (placed.length === 0) {
    return {
      target: target,
      summary: `${container.name} is in no network: it has a loopback interface only.`,
      findings: [],
    };
  }
  const places = placed.map(({ networkName, ipv4, ipv6 }) => {
    const addresses = [ipv4, ipv6].filter((address) => address !== '').map(bareAddress);
    return `${networkName} (${addresses.join(', ')})`;
  });
  return {
    target: target,
    summary: `${container.name} is in ${places.length > 1 ? 'networks' : 'network'} ${places.join(', ')}.`,
    findings: [...outward(container, facts), ...inward(container, facts), ...ports(container, facts)],
  };
}

function outward(container: Container, facts: NetworkFacts): Finding[] {
  const endpoint = publishingEndpoint(container.endpoints);
  const network = facts.networks.find(({ id }) => id === endpoint?.networkId);
  const table = `table inet ${facts.table}`;
  if (!endpoint || !network) {
    return [
      {
        from: `${container.name}, to the outside`,
        verdict: 'stopped',
        text: 'all of its networks are internal: it has no route out, and packets that try are dropped',
        rule: `${table}, chain forward: iifname @internal drop`,
      },
    ];
  }
  if (network.driver !== 'bridge') {
    return [
      {
        from: `${container.name}, to the outside`,
        verdict: 'passes',
        text: `straight into the parent's network by ${network.driver}: the host's firewall does not see it`,
      },
    ];
  }
  return [
    {
      from: `${container.name}, to the outside`,
      verdict: 'passes',
      text: network.masquerade
        ? `leaves by network ${network.name} with the host's address as its source`
        : `leaves by network ${network.name} with its own address (masquerading is off): others need a route back`,
      rule: network.masquerade
        ? `${table}, chain sources: ip saddr @translated masquerade`
        : `${table}, chain sources: its subnet is not in @translated`,
    },
    ...foreignForward(facts, [network.bridgeName], [bareAddress(endpoint.ipv4), network.bridgeName]),
  ];
}

function inward(container: Container, facts: NetworkFacts): Finding[] {
  const table = `table inet ${facts.table}`;
  const networks = container.endpoints.flatMap(({ networkId }) =>
    facts.networks.filter(({ id }) => id === networkId),
  );
  const bridged = networks.filter(({ driver }) => driver === 'bridge');
  const findings: Finding[] = networks
    .filter(({ driver }) => driver !== 'bridge')
    .map(({ name, driver }) => ({
      from: `machines in the parent's network of ${name}`,
      verdict: 'passes',
      text: `they reach it by its address, past the host's firewall; this host itself does not (${driver})`,
    }));
  if (bridged.length === 0) return findings;
  const set = bridged.every(({ internal }) => internal) ? '@internal' : '@bridges';
  return [
    ...findings,
    {
      from: 'other machines, containers of other networks',
      verdict: 'stopped',
      text: `networks are isolated: only published ports lead in${container.ports.length === 0 ? ', and it has none' : ''}`,
      rule: `${table}, chain forward: oifname ${set} drop`,
    },
    ...bridged.map(
      ({ name, icc, bridgeName }): Finding =>
        icc
          ? { from: `containers of network ${name}`, verdict: 'passes', text: 'free within the network' }
          : {
              from: `containers of network ${name}`,
              verdict: 'stopped',
              text: 'the network keeps its containers apart (com.docker.network.bridge.enable_icc=false)',
              rule: `${table}, chain forward: no pair for ${bridgeName} in @inside; its ports are isolated`,
            },
    ),
  ];
}

/** The first finding on each published port that says whether it is reached, and what is wrong. */
function ports(container: Container, facts: NetworkFacts): Finding[] {
  return container.ports.flatMap(({ hostIp, hostPort, protocol, containerPort }) => {
    const shown = isIPv6(hostIp) ? `[${hostIp}]` : hostIp;
    const one = explainPort({ host: hostIp, port: hostPort, protocol }, facts);
    const [way] = one.findings;
    const wrong = one.findings
      .filter(({ verdict, from }) => verdict === 'note' || from === 'the container')
      .filter(({ verdict }) => verdict !== 'passes');
    return [
      {
        from: `${way?.from ?? 'everybody'}, to ${shown}:${hostPort}/${protocol}`,
        verdict: way?.verdict ?? 'passes',
        text: `port ${containerPort}: ${way?.text ?? ''}`,
        ...(way?.rule === undefined ? {} : { rule: way.rule }),
      },
      ...wrong,
    ];
  });
}
