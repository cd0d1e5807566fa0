import type { DeviceRequest } from '../../wire/resources.ts';
import type { FlagKind } from '../flags/flag.ts';
import { csvFields, keyValue } from './csv.ts';

function count(value: string): number {
  if (value === 'all') return -1;
  if (/^-?\d+$/.test(value)) return Number(value);
  throw new Error(`invalid count (${value}): value must be either "all" or an integer: invalid syntax`);
}

/**
 * Reads the value of `--gpus`: `all`, a number, or `device=…,driver=…,capabilities=…,count=…`.
 * @throws Error in docker's words.
 */
export function parseGpus(value: string): DeviceRequest {
  const request: DeviceRequest = { Driver: '', Count: 0, DeviceIDs: null, Capabilities: null, Options: null };
  const seen = new Set<string>();
  for (const field of csvFields(value)) {
    const [key, text] = keyValue(field);
    const name = text === undefined ? 'count' : key;
    if (seen.has(name)) throw new Error(`gpu request key '${name}' can be specified only once`);
    seen.add(name);
    switch (name) {
      case 'driver':
        request.Driver = text!;
        break;
      case 'count':
        request.Count = count(text ?? key);
        break;
      case 'device':
        request.DeviceIDs = text!.split(',');
        break;
      case 'capabilities':
        request.Capabilities = [[...text!.split(','), 'gpu']];
        break;
      case 'options':
        request.Options = Object.fromEntries(
          csvFields(text!).map((option) => keyValue(option).map((part) => part ?? '')),
        );
        break;
      default:
        throw new Error(`unexpected key '${name}' in '${field}'`);
    }
  }
  if (!seen.has('count') && request.DeviceIDs === null) request.Count = 1;
  request.Options ??= {};
  request.Capabilities ??= [['gpu']];
  return request;
}

/** `--gpus`, repeated. */
export const gpus: FlagKind<readonly DeviceRequest[]> = {
  typeName: 'gpu-request',
  initial: [],
  parse: (raw, previous) => [...previous, parseGpus(raw)],
};
