import { TareError } from '../../base/errors.ts';
import { newId, shortId } from '../../base/ids.ts';
import type { ParentSpec } from '../../netdriver/netdriver.ts';
import type { CreateNetwork, Network } from './networks.ts';
import { BridgeOption, chooseSubnets, mtuOption, type Surroundings } from './request.ts';

/** Docker's options of macvlan and ipvlan networks. */
const PARENT = 'parent';
const MODES = {
  macvlan: { option: 'macvlan_mode', modes: ['bridge', 'private', 'vepa', 'passthru'] },
  ipvlan: { option: 'ipvlan_mode', modes: ['l2', 'l3', 'l3s'] },
} as const;
const FLAG = 'ipvlan_flag';
const FLAGS = ['bridge', 'private', 'vepa'];

/**
 * Turns a request into a macvlan or ipvlan network. Without `-o parent=LINK` it lies on a link that leads nowhere.
 * Throws `invalid`, `forbidden` and `exhausted` in Docker's words.
 */
export function parentNetwork(
  driver: 'macvlan' | 'ipvlan',
  request: CreateNetwork,
  around: Surroundings,
  others: readonly Network[],
  now: number,
): Network {
  const id = newId();
  const parent = parentSpec(driver, request.options, id);
  checkShared(driver, parent, others);
  return {
    id,
    name: request.name,
    driver,
    bridgeName: '',
    subnets: chooseSubnets(request, id, around),
    internal: request.internal,
    // 0: that of the parent.
    mtu: mtuOption(request.options[BridgeOption.MTU], 0),
    icc: true,
    masquerade: false,
    hostBinding: '',
    parent,
    createdAt: now,
    scope: 'local',
    enableIPv6: request.enableIPv6,
    attachable: request.attachable,
    labels: request.labels,
    options: request.options,
    ipamDriver: request.ipamDriver || 'default',
    ipamOptions: request.ipamOptions,
    ...(request.configFrom ? { configFrom: request.configFrom } : {}),
  };
}

function parentSpec(
  driver: 'macvlan' | 'ipvlan',
  options: Readonly<Record<string, string>>,
  id: string,
): ParentSpec {
  const { option, modes } = MODES[driver];
  const mode = options[option] || modes[0];
  if (!modes.some((known) => known === mode)) {
    throw new TareError(
      'invalid',
      `requested ${driver} mode '${mode}' is not valid, '${modes[0]}' mode is the ${driver} driver default; valid are ${modes.join(', ')}`,
    );
  }
  const flag = options[FLAG] || 'bridge';
  if (driver === 'ipvlan' && !FLAGS.includes(flag)) {
    throw new TareError(
      'invalid',
      `requested ipvlan flag '${flag}' is not valid, 'bridge' is the ipvlan driver default; valid are ${FLAGS.join(', ')}`,
    );
  }
  const link = options[PARENT] ?? '';
  if (link === 'lo') {
    throw new TareError('invalid', `loopback interface is not a valid ${driver} parent link`);
  }
  if (link.length > 15 || /[\s/]|^\.{1,2}$/.test(link)) {
    throw new TareError(
      'invalid',
      `invalid parent ${JSON.stringify(link)}: at most 15 characters, no spaces or /`,
    );
  }
  return {
    // Docker's name for it.
    link: link || `dm-${shortId(id)}`,
    isolated: link === '',
    mode,
    ...(driver === 'ipvlan' ? { flag } : {}),
  };
}

/** A link carries one kind only, and in mode passthru one network only. */
function checkShared(driver: string, parent: ParentSpec, others: readonly Network[]): void {
  for (const other of others) {
    if (other.parent?.link !== parent.link) continue;
    if (other.driver !== driver) {
      throw new TareError(
        'forbidden',
        `network ${other.name} is already using parent interface ${parent.link} for ${other.driver}`,
      );
    }
    if (parent.mode === 'passthru') {
      throw new TareError(
        'forbidden',
        `cannot use mode passthru, macvlan network ${other.name} is already using parent interface ${parent.link}`,
      );
    }
    if (other.parent.mode === 'passthru') {
      throw new TareError(
        'forbidden',
        `macvlan network ${other.name} is already using parent interface ${parent.link} in mode passthru`,
      );
    }
  }
}
