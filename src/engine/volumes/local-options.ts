import { TareError } from '../../base/errors.ts';
import { parseSize } from '../../base/sizes.ts';

/** Options of the local driver, as dockerd has them. */
const KNOWN = ['type', 'o', 'device', 'size'];

/** What an option needs beside itself. */
const NEEDS: Readonly<Record<string, readonly string[]>> = {
  device: ['type'],
  type: ['device'],
  o: ['device', 'type'],
};

type Options = Readonly<Record<string, string>>;

/** A mount that a volume's options ask for. */
export interface LocalMount {
  readonly type: string;
  readonly device: string;
  /** The parts of `o=`. */
  readonly options: readonly string[];
}

/** Checks the options of a new volume. Throws `invalid` in dockerd's words. */
export function checkLocalOptions(options: Options): void {
  for (const name of Object.keys(options)) {
    if (!KNOWN.includes(name)) throw new TareError('invalid', `invalid option: ${JSON.stringify(name)}`);
  }
  if (options.type === 'cifs' && options.device && /^[a-z]*:?\/\/[^/]*:\d+(\/|$)/.test(options.device)) {
    throw new TareError('invalid', "port not allowed in CIFS device URL, include 'port' in 'o='");
  }
  if (options.size !== undefined) parseSize(options.size);
  for (const [name, others] of Object.entries(NEEDS)) {
    if (options[name] === undefined) continue;
    for (const other of others) {
      if (options[other] === undefined) {
        throw new TareError('invalid', `missing required option: ${JSON.stringify(other)}`);
      }
    }
  }
}

/** The mount that options ask for; undefined: a plain directory. */
export function localMountOf(options: Options): LocalMount | undefined {
  const { type, device, o = '' } = options;
  if (type === undefined || device === undefined) return undefined;
  return { type, device, options: o.split(',').filter((part) => part !== '') };
}

/**
 * The host name that must be resolved before the mount, as the kernel takes addresses only: `addr=` of network file
 * systems, and for cifs without one the device's host. Undefined: none.
 */
export function hostToResolve({ type, device, options }: LocalMount): string | undefined {
  if (type !== 'nfs' && type !== 'nfs4' && type !== 'cifs') return undefined;
  const given = options.find((option) => option.startsWith('addr='))?.slice('addr='.length);
  const host = given || (type === 'cifs' ? /^[a-z]*:?\/\/([^/]+)/.exec(device)?.[1] : undefined);
  return host === undefined || isAddress(host) ? undefined : host;
}

/** The same mount with `addr=` as an address. */
export function withAddress(mount: LocalMount, address: string): LocalMount {
  const rest = mount.options.filter((option) => !option.startsWith('addr='));
  return { ...mount, options: [...rest, `addr=${address}`] };
}

/** Options as they may be shown: without passwords. */
export function shownOptions(options: readonly string[]): string {
  return options.map((option) => option.replace(/^(password|pass)=.*/, '$1=********')).join(',');
}

function isAddress(host: string): boolean {
  return /^\d+\.\d+\.\d+\.\d+$/.test(host) || host.includes(':');
}
