import type { FlagKind } from '../flags/flag.ts';
import { csvFields, keyValue } from './csv.ts';

/** One network that a container joins. */
export interface NetworkChoice {
  name: string;
  readonly aliases: string[];
  readonly driverOpts: Record<string, string>;
  readonly linkLocalIps: string[];
  ip4?: string;
  ip6?: string;
  mac?: string;
  priority?: number;
}

const emptyChoice = (name: string): NetworkChoice => ({
  name,
  aliases: [],
  driverOpts: {},
  linkLocalIps: [],
});

/** The choice of a network by name alone. */
export const namedNetwork = emptyChoice;

/**
 * Reads the value of `--network`: a name or mode, or `name=…,alias=…,ip=…`.
 * @throws Error in docker's words.
 */
export function parseNetwork(value: string): NetworkChoice {
  if (!/^\w+=|,/.test(value)) return emptyChoice(value);
  const choice = emptyChoice('');
  for (const field of csvFields(value)) {
    const [rawKey, text] = keyValue(field);
    const key = rawKey.trim().toLowerCase();
    if (text === undefined || rawKey.trim() === '')
      throw new Error(`invalid key/value pair format in driver options`);
    const trimmed = text.trim();
    switch (key) {
      case 'name':
        choice.name = trimmed.toLowerCase();
        break;
      case 'alias':
        choice.aliases.push(trimmed.toLowerCase());
        break;
      case 'ip':
        choice.ip4 = trimmed;
        break;
      case 'ip6':
        choice.ip6 = trimmed;
        break;
      case 'mac-address':
        choice.mac = trimmed;
        break;
      case 'link-local-ip':
        choice.linkLocalIps.push(trimmed);
        break;
      case 'driver-opt': {
        const [option, optionValue] = keyValue(trimmed);
        if (optionValue === undefined) throw new Error('invalid key value pair format in driver options');
        choice.driverOpts[option.trim().toLowerCase()] = optionValue.trim().toLowerCase();
        break;
      }
      case 'gw-priority':
        if (!/^-?\d+$/.test(trimmed)) {
          throw new Error(
            `invalid gw-priority (${text}): strconv.ParseInt: parsing ${JSON.stringify(trimmed)}: invalid syntax`,
          );
        }
        choice.priority = Number(trimmed);
        break;
      default:
        throw new Error(`invalid field key ${key}`);
    }
  }
  if (choice.name === '') throw new Error('network name/id is not specified');
  return choice;
}

/** `--network`, repeated. */
export const networks: FlagKind<readonly NetworkChoice[]> = {
  typeName: 'network',
  initial: [],
  parse: (raw, previous) => [...previous, parseNetwork(raw)],
};
