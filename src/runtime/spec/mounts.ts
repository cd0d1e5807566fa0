import { TareError } from '../../base/errors.ts';
import type { SpecInput, SpecMount } from './input.ts';
import type { OciMount } from './oci-spec.ts';

const SHM_SIZE = 64 * 1024 * 1024;
/** Where the init program appears in the container. */
export const INIT_PATH = '/sbin/docker-init';

/** All mounts of a container in the order they are made: the kernel's file systems, then the user's by depth. */
export function chooseMounts(input: SpecInput): OciMount[] {
  const asked = new Set(input.mounts.map((mount) => mount.destination));
  const defaults = defaultMounts(input).filter(({ destination }) => {
    if (asked.has(destination)) return false;
    // A /dev of the user's own comes as it is.
    return !(asked.has('/dev') && destination.startsWith('/dev/'));
  });
  const own = [...input.mounts].sort((a, b) => depth(a) - depth(b)).map(ociMount);
  const init = input.init === undefined ? [] : [initMount(input.init)];
  return [...defaults, ...own, ...init];
}

function depth(mount: SpecMount): number {
  return mount.destination.split('/').length;
}

function initMount(source: string): OciMount {
  return { destination: INIT_PATH, type: 'bind', source, options: ['bind', 'ro'] };
}

function defaultMounts(input: SpecInput): OciMount[] {
  const { privileged, security, shm } = input;
  const access = (writable: boolean): string[] => (writable ? [] : ['ro']);
  const hardened = ['nosuid', 'noexec', 'nodev'];
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: hardened },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...hardened, ...access(privileged)] },
    {
      destination: '/sys/fs/cgroup',
      type: 'cgroup',
      source: 'cgroup',
      options: [...access(privileged || security.writableCgroups), ...hardened],
    },
    // Shows the queues of the ipc namespace it is mounted in, the host's as well (mq_overview(7)).
    { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: hardened },
    ...(shm ? [shmMount(shm, hardened)] : []),
  ];
}

function shmMount(shm: NonNullable<SpecInput['shm']>, hardened: readonly string[]): OciMount {
  const destination = '/dev/shm';
  if ('path' in shm) return { destination, type: 'bind', source: shm.path, options: ['rbind', 'rprivate'] };
  const options = [...hardened, 'mode=1777', `size=${shm.size || SHM_SIZE}`];
  return { destination, type: 'tmpfs', source: 'shm', options };
}

function ociMount(mount: SpecMount): OciMount {
  const { destination, source, readOnly } = mount;
  if (mount.type === 'tmpfs') {
    const options = mergeTmpfsOptions([...mount.options, ...(readOnly ? ['ro'] : [])]);
    return { destination, type: 'tmpfs', source: 'tmpfs', options };
  }
  return {
    destination,
    type: 'bind',
    source,
    options: [
      mount.recursive ? 'rbind' : 'bind',
      ...(readOnly ? ['ro'] : []),
      mount.propagation || 'rprivate',
    ],
  };
}

/** Flags of tmpfs(5) that exclude one another. */
const FLAG_GROUPS = [
  ['exec', 'noexec'],
  ['suid', 'nosuid'],
  ['dev', 'nodev'],
  ['ro', 'rw'],
  ['sync', 'async'],
  ['atime', 'noatime', 'relatime', 'norelatime', 'strictatime', 'nostrictatime', 'diratime', 'nodiratime'],
  ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave', 'unbindable', 'runbindable'],
];
const SETTINGS = ['mode', 'uid', 'gid', 'size', 'nr_inodes', 'nr_blocks', 'mpol', 'huge'];

/** Docker's safe defaults with the user's options over them; later ones win. Throws `invalid`, as Docker. */
export function mergeTmpfsOptions(options: readonly string[]): string[] {
  const merged = new Map<string, string>();
  for (const option of ['noexec', 'nosuid', 'nodev', 'rprivate', ...options]) {
    const key = option.split('=')[0] ?? '';
    const group = FLAG_GROUPS.find((names) => names.includes(option))?.[0];
    const setting = option.includes('=') && SETTINGS.includes(key) ? key : undefined;
    const slot = group ?? setting;
    if (slot === undefined) throw new TareError('invalid', `invalid tmpfs option ["${option}"]`);
    merged.set(slot, option);
  }
  return [...merged.values()];
}

/** The propagation that the root needs so that the mounts' own can work (mount_namespaces(7)). */
export function rootPropagation(mounts: readonly SpecMount[]): string | undefined {
  const kinds = mounts.map((mount) => mount.propagation.replace(/^r(?=shared|slave)/, ''));
  if (kinds.includes('shared')) return 'shared';
  return kinds.includes('slave') ? 'rslave' : undefined;
}
