import { existsSync, readdirSync, readlinkSync } from 'node:fs';
import { must } from './command.ts';
import type { TestDaemon } from './daemon.ts';

/**
 * All that an isolated daemon's networks are in the kernel, in words: links, addresses, routes, rules, map elements,
 * named namespaces, and which namespaces the daemon holds. Names and addresses that the kernel or the daemon draws
 * by chance are left out, so that two pictures of the same state are the same.
 */
export async function networkState(daemon: TestDaemon): Promise<string[]> {
  const inside = async (...argv: string[]) => (await daemon.inNetwork(argv)).stdout.split('\n');
  const [links, addresses, routes, routes6, rules, nft] = await Promise.all([
    inside('ip', '-o', 'link'),
    inside('ip', '-o', 'address'),
    inside('ip', 'route', 'show', 'table', 'all'),
    inside('ip', '-6', 'route', 'show', 'table', 'all'),
    inside('ip', 'rule'),
    inside('nft', '-s', 'list', 'ruleset'),
  ]);
  const named = existsSync('/run/netns') ? readdirSync('/run/netns') : [];
  return [
    ...links.map(plain),
    ...addresses.map(plain),
    // Link-local ones come some seconds after their link.
    ...[...routes, ...routes6].filter((line) => !/fe80|ff00/.test(line)).map(plain),
    ...rules,
    ...nft,
    ...named.filter((name) => name.startsWith(daemon.bridge)),
    `${heldNamespaces(daemon.pid)} namespaces held`,
  ]
    .filter((line) => line.trim() !== '')
    .toSorted();
}

/** Without what differs from one moment to the next, as that the kernel still asks whether another has an address. */
function plain(line: string): string {
  return line
    .replace(/^\d+: /, '')
    .replace(/veth[0-9a-f]{7}(@if\d+)?/g, 'veth')
    .replace(/link\/ether [0-9a-f:]+/, 'link/ether')
    .replace(/link-netnsid \d+/, '')
    .replace(/inet6 fe80\S+/, 'inet6 fe80')
    .replace(' tentative', '')
    .replace(/(NO-CARRIER,|,LOWER_UP|state \S+| linkdown)/g, '')
    .replace(/\\.*valid_lft.*$/, '')
    .replace(/ +/g, ' ')
    .trim();
}

/** How many network namespaces the process has open. */
function heldNamespaces(pid: number): number {
  const folder = `/proc/${pid}/fd`;
  return readdirSync(folder).filter((fd) => {
    try {
      return readlinkSync(`${folder}/${fd}`).startsWith('net:[');
    } catch {
      return false;
    }
  }).length;
}

/** Waits until the state is that of `before`; throws with the difference. The kernel takes links away by and by. */
export async function untilState(daemon: TestDaemon, before: readonly string[]): Promise<void> {
  const end = Date.now() + 15_000;
  for (;;) {
    const now = await networkState(daemon);
    const faults = [
      ...now.filter((line) => count(now, line) > count(before, line)).map((line) => `left: ${line}`),
      ...before.filter((line) => count(before, line) > count(now, line)).map((line) => `gone: ${line}`),
    ];
    if (faults.length === 0) return;
    if (Date.now() > end) throw new Error(`the network is not as it was:\n${faults.join('\n')}`);
    await Bun.sleep(100);
  }
}

const count = (lines: readonly string[], wanted: string) => lines.filter((line) => line === wanted).length;

interface Inspected {
  readonly Name: string;
  readonly State: { readonly Running: boolean; readonly Pid: number };
  readonly NetworkSettings: {
    readonly Networks: Record<
      string,
      {
        IPAddress: string;
        IPPrefixLen: number;
        GlobalIPv6Address: string;
        Gateway: string;
        GwPriority?: number;
      }
    >;
  };
}

/** What is wrong between what the daemon says of its networks and what the kernel has, in words. */
export async function networkFaults(daemon: TestDaemon): Promise<string[]> {
  const faults: string[] = [];
  const json = async (path: string) => (await daemon.request('GET', path)).json();
  const networks = (await json('/networks')) as Array<{ Id: string; Name: string; Driver: string }>;
  const bridges = networks.filter(({ Driver }) => Driver === 'bridge');
  const linkOf = ({ Id, Name }: { Id: string; Name: string }) =>
    Name === 'bridge' ? daemon.bridge : `br-${Id.slice(0, 12)}`;
  const list = await must(['ip', '-n', daemon.bridge, '-j', '-d', 'link']);
  const links = JSON.parse(list) as Array<{
    ifname: string;
    master?: string;
    linkinfo?: { info_kind: string };
  }>;
  const wanted = bridges.map(linkOf).toSorted();
  const present = links
    .filter(({ linkinfo }) => linkinfo?.info_kind === 'bridge')
    .map(({ ifname }) => ifname);
  if (String(present.toSorted()) !== String(wanted)) faults.push(`bridges ${present}, networks ${wanted}`);

  const endpoints = new Map<string, number>();
  for (const id of await daemon.ids()) {
    const container = (await json(`/containers/${id}/json`)) as Inspected;
    if (!container.State.Running) continue;
    const enter = ['nsenter', `--net=/proc/${container.State.Pid}/ns/net`, '--'];
    const found = await must([...enter, 'ip', '-o', 'address', 'show', 'scope', 'global']);
    const interfaces = new Set([...found.matchAll(/^\d+: (\S+)/gm)].map((match) => match[1]));
    const entries = Object.entries(container.NetworkSettings.Networks);
    if (interfaces.size !== entries.length) {
      faults.push(`${container.Name} has ${[...interfaces]} and is in ${entries.map(([name]) => name)}`);
    }
    for (const [name, endpoint] of entries) {
      endpoints.set(name, (endpoints.get(name) ?? 0) + 1);
      if (!found.includes(` ${endpoint.IPAddress}/${endpoint.IPPrefixLen} `)) {
        faults.push(`${container.Name} has no address ${endpoint.IPAddress} of ${name}`);
      }
    }
    const routes = await must([...enter, 'ip', 'route']);
    const gateway = entries
      .filter(([, one]) => one.Gateway !== '')
      .toSorted(([a], [b]) => (a < b ? -1 : 1))[0];
    const via = /^default via (\S+)/m.exec(routes)?.[1];
    if (via !== gateway?.[1].Gateway)
      faults.push(`${container.Name} goes out by ${via}, not by ${gateway?.[0]}`);
  }
  for (const network of bridges.filter(({ Name }) => Name !== 'bridge')) {
    const ports = links.filter((link) => link.master === linkOf(network)).length;
    const expected = endpoints.get(network.Name) ?? 0;
    if (ports !== expected) faults.push(`${network.Name} has ${ports} ports and ${expected} endpoints`);
  }
  return faults;
}
