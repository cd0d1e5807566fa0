import { TareError } from '../../base/errors.ts';

/** All capabilities by number, include/uapi/linux/capability.h. */
const NAMES = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
] as const;

/** Docker's default set. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

const ALL = 'ALL';

/** Names of the capabilities of a mask, as /proc/PID/status shows it in hexadecimal. */
export function capabilitiesOfMask(hexadecimal: string): string[] {
  const mask = BigInt(`0x${hexadecimal}`);
  return NAMES.filter((_, bit) => (mask >> BigInt(bit)) & 1n);
}

/** `net_admin` → `CAP_NET_ADMIN`; throws Docker's words for an unknown one. */
function normalize(name: string): string {
  const upper = name.toUpperCase();
  if (upper === ALL) return ALL;
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if ((NAMES as readonly string[]).includes(full)) return full;
  throw new TareError('invalid', `unknown capability: "${full}"`);
}

/** Checks `--cap-add` and `--cap-drop` in Docker's words, without a container. Throws `invalid`. */
export function checkCapabilities(add: readonly string[], drop: readonly string[]): void {
  for (const [what, names] of [
    ['CapAdd', add],
    ['CapDrop', drop],
  ] as const) {
    for (const name of names) {
      try {
        normalize(name);
      } catch (error) {
        throw error instanceof TareError
          ? new TareError('invalid', `invalid ${what}: ${error.message}`)
          : error;
      }
    }
  }
}

/** What was asked for, and what the daemon itself may pass on. */
export interface CapabilityRequest {
  readonly privileged: boolean;
  readonly add: readonly string[];
  readonly drop: readonly string[];
  /** The daemon's bounding set. */
  readonly bounding: readonly string[];
}

/**
 * The container's capabilities, as dockerd works them out. `ALL` and privileged mean the daemon's bounding set;
 * capabilities outside it are left out with a warning, because crun could not set them.
 */
export function chooseCapabilities(request: CapabilityRequest): {
  capabilities: string[];
  warnings: string[];
} {
  const { bounding } = request;
  if (request.privileged) return { capabilities: [...bounding], warnings: [] };
  checkCapabilities(request.add, request.drop);
  const add = request.add.map(normalize);
  const drop = request.drop.map(normalize);
  let chosen: string[];
  if (add.includes(ALL)) chosen = bounding.filter((name) => !drop.includes(name));
  else if (drop.includes(ALL)) chosen = add;
  else chosen = [...DEFAULT_CAPABILITIES.filter((name) => !drop.includes(name)), ...add];
  const unique = [...new Set(chosen)];
  const missing = unique.filter((name) => !bounding.includes(name) && add.includes(name));
  return {
    capabilities: unique.filter((name) => bounding.includes(name)),
    warnings: missing.map((name) => `The daemon does not have ${name} itself. ${name} discarded.`),
  };
}
