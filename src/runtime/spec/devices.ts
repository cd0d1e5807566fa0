import { TareError } from '../../base/errors.ts';
import type { SpecDevice } from './input.ts';
import type { OciDevice, OciDeviceRule } from './oci-spec.ts';

function allow(major: number, minor: number): OciDeviceRule {
  return { allow: true, type: 'c', major, minor, access: 'rwm' };
}

/** Docker's rules: nothing but the usual character devices. */
const DEFAULT_RULES: readonly OciDeviceRule[] = [
  { allow: false, access: 'rwm' },
  // null, zero, full, random, urandom, tty, console, ptmx, and the pseudo terminals.
  allow(1, 3),
  allow(1, 5),
  allow(1, 7),
  allow(1, 8),
  allow(1, 9),
  allow(5, 0),
  allow(5, 1),
  allow(5, 2),
  { allow: true, type: 'c', major: 136, access: 'rwm' },
  // Making a node is harmless where its device cannot be opened.
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
];

/** The cgroup rules of a container. Throws `invalid` for a malformed rule. */
export function deviceRules(
  privileged: boolean,
  devices: readonly SpecDevice[],
  rules: readonly string[],
): OciDeviceRule[] {
  if (privileged) return [{ allow: true, access: 'rwm' }];
  const own = devices.map(
    ({ type, major, minor, access }): OciDeviceRule => ({
      allow: true,
      type: type === 'b' ? 'b' : 'c',
      ...(major !== undefined && { major }),
      ...(minor !== undefined && { minor }),
      access,
    }),
  );
  return [...DEFAULT_RULES, ...own, ...rules.map(parseRule)];
}

const RULE = /^([acb]) (\d+|\*):(\d+|\*) ([rwm]{1,3})$/;

/** Parses `c 42:* rmw`, in Docker's words. */
export function parseRule(rule: string): OciDeviceRule {
  const match = RULE.exec(rule);
  if (!match) throw new TareError('invalid', `invalid device cgroup rule format: '${rule}'`);
  const [, type, major = '*', minor = '*', access = ''] = match;
  return {
    allow: true,
    type: type as 'a' | 'b' | 'c',
    ...(major !== '*' && { major: Number(major) }),
    ...(minor !== '*' && { minor: Number(minor) }),
    access,
  };
}

/** The device without what only the cgroup rule needs. */
export function ociDevice({ access: _, ...device }: SpecDevice): OciDevice {
  return device;
}
