import { isIP } from 'node:net';

/**
 * Checks of single flag values, with docker's words. Each takes the text as typed and returns what goes into the
 * request.
 */

/** `NAME=value`; a name alone takes its value from the client's environment. */
export function checkEnvironment(value: string): string {
  const equals = value.indexOf('=');
  const name = equals < 0 ? value : value.slice(0, equals);
  if (name === '') throw new Error(`invalid environment variable: ${value}`);
  if (equals >= 0) return value;
  const inherited = process.env[name];
  // Not set here either: the name alone takes the variable out of the image's environment.
  return inherited === undefined ? value : `${name}=${inherited}`;
}

export function checkLabel(value: string): string {
  const key = value.split('=')[0]!.replace(/^\s+/, '');
  if (key === '') throw new Error(`invalid label '${value}': empty name`);
  if (/\s/.test(key)) throw new Error(`label '${key}' contains whitespaces`);
  return value;
}

/** `--add-host NAME:IP` or `NAME=IP`. */
export function checkExtraHost(value: string): string {
  const match = /^([^=]+)=(.*)$/.exec(value) ?? /^([^:]+):(.*)$/.exec(value);
  if (match === null) throw new Error(`bad format for add-host: ${JSON.stringify(value)}`);
  const [, name = '', address = ''] = match;
  if (address === 'host-gateway') return `${name}:${address}`;
  const bare = /^\[(.*)\]$/.exec(address)?.[1] ?? address;
  if (isIP(bare) === 0) throw new Error(`invalid IP address in add-host: ${JSON.stringify(address)}`);
  return `${name}:${bare}`;
}

export function checkAddress(value: string): string {
  const trimmed = value.trim();
  if (isIP(trimmed) === 0) throw new Error(`IP address is not correctly formatted: ${value}`);
  return trimmed;
}

export function checkSearchDomain(value: string): string {
  const trimmed = value.trim();
  if (trimmed === '.') return trimmed;
  const name = trimmed.replace(/\.$/, '');
  const valid =
    /^[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?(\.[a-zA-Z0-9_]([a-zA-Z0-9_-]{0,61}[a-zA-Z0-9_])?)*$/;
  if (name.length > 255 || !valid.test(name) || !/[a-zA-Z]/.test(name)) {
    throw new Error(`${value} is not a valid domain`);
  }
  return trimmed;
}

export function checkLink(value: string): string {
  if (value === '') throw new Error('empty string specified for links');
  if (value.split(':').length > 2) throw new Error(`bad format for links: ${value}`);
  return value;
}

export function checkStream(value: string): string {
  const stream = value.toLowerCase();
  if (['stdin', 'stdout', 'stderr'].includes(stream)) return stream;
  throw new Error('valid streams are STDIN, STDOUT and STDERR');
}

/** Kernel parameters that a container may have for itself. */
export function checkSysctl(value: string): string {
  const known = [
    'kernel.msgmax',
    'kernel.msgmnb',
    'kernel.msgmni',
    'kernel.sem',
    'kernel.shmall',
    'kernel.shmmax',
    'kernel.shmmni',
    'kernel.shm_rmid_forced',
  ];
  const equals = value.indexOf('=');
  const name = value.slice(0, Math.max(0, equals));
  if (equals > 0 && (known.includes(name) || name.startsWith('net.') || name.startsWith('fs.mqueue.')))
    return value;
  throw new Error(`sysctl '${value}' is not allowed`);
}

export function checkCgroupRule(value: string): string {
  if (/^[acb] (\d+|\*):(\d+|\*) [rwm]{1,3}$/.test(value)) return value;
  throw new Error(`invalid device cgroup format '${value}'`);
}

/** `PATH:WEIGHT` of `--blkio-weight-device`. */
export function checkWeightDevice(value: string): string {
  const [path = '', weight, ...more] = value.split(':');
  if (weight === undefined || more.length > 0) throw new Error(`bad format: ${value}`);
  if (!path.startsWith('/dev/')) throw new Error(`bad format for device path: ${value}`);
  const number = Number(weight);
  if (!/^\d+$/.test(weight) || (number > 0 && (number < 10 || number > 1000))) {
    throw new Error(`invalid weight for device: ${value}`);
  }
  return value;
}

/** `PATH:RATE` of the throttling flags; `bytes` allows units. */
export function checkThrottle(
  parseRate: (text: string) => number,
  bytes: boolean,
): (value: string) => string {
  return (value) => {
    const [path = '', rate, ...more] = value.split(':');
    if (rate === undefined || more.length > 0) throw new Error(`bad format: ${value}`);
    if (!path.startsWith('/dev/')) throw new Error(`bad format for device path: ${value}`);
    try {
      parseRate(rate);
    } catch {
      const form = bytes
        ? '<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb'
        : '<number>. Number must be a positive integer';
      throw new Error(`invalid rate for device: ${value}. The correct format is <device-path>:${form}`);
    }
    return value;
  };
}
