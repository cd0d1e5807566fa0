import type { DeviceMapping, DeviceRequest } from '../../wire/resources.ts';

const isMode = (text: string): boolean => /^[rwm]+$/.test(text) && new Set(text).size === text.length;

function parseDevice(value: string): DeviceMapping {
  const parts = value.split(':');
  if (value === '' || parts.length > 3) throw new Error(`bad format for path: ${value}`);
  const [source = '', second, mode] = parts;
  if (parts.some((part) => part === '')) throw new Error(`bad format for path: ${value}`);
  if (mode !== undefined && !isMode(mode)) throw new Error(`bad mode specified: ${mode}`);
  const secondIsMode = second !== undefined && mode === undefined && isMode(second);
  const target = second === undefined || secondIsMode ? source : second;
  if (!target.startsWith('/')) throw new Error(`${target} is not an absolute path`);
  return {
    PathOnHost: source,
    PathInContainer: target,
    CgroupPermissions: mode ?? (secondIsMode ? second : 'rwm'),
  };
}

/**
 * Reads the values of `--device`. Names such as `vendor.com/class=name` ask for devices described on the host
 * (CDI), anything else is a path.
 * @throws Error in docker's words.
 */
export function parseDevices(values: readonly string[]): {
  devices: DeviceMapping[];
  requests: DeviceRequest[];
} {
  const described = values.filter((value) => /^[a-zA-Z][\w.-]*\/[a-zA-Z][\w.-]*=[\w.:-]+$/.test(value));
  const devices = values.filter((value) => !described.includes(value)).map(parseDevice);
  const requests: DeviceRequest[] =
    described.length === 0
      ? []
      : [{ Driver: 'cdi', Count: 0, DeviceIDs: described, Capabilities: null, Options: null }];
  return { devices, requests };
}
