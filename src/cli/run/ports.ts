import { isIP } from 'node:net';
import type { PortBinding } from '../../wire/containers.ts';
import { csvFields, keyValue } from './csv.ts';

/** Ports as the API takes them. */
export interface PortSettings {
  readonly exposed: Record<string, Record<string, never>>;
  readonly bindings: Record<string, PortBinding[]>;
}

function portNumber(text: string): number | undefined {
  return /^\d+$/.test(text) && Number(text) <= 65535 ? Number(text) : undefined;
}

/** `8000` or `8000-8010`; undefined when it is neither. */
function portRange(text: string): [first: number, last: number] | undefined {
  const dash = text.indexOf('-');
  const first = portNumber(dash < 0 ? text : text.slice(0, dash));
  const last = dash < 0 ? first : portNumber(text.slice(dash + 1));
  return first === undefined || last === undefined || last < first ? undefined : [first, last];
}

function splitProtocol(text: string): [port: string, protocol: string] {
  const [port = '', protocol, ...more] = text.split('/');
  if (text === '' || port === '' || more.length > 0) return ['', ''];
  return [port, protocol === undefined || protocol === '' ? 'tcp' : protocol];
}

function splitSpec(spec: string): [ip: string, host: string, container: string] {
  const parts = spec.split(':');
  const container = parts.pop()!;
  const host = parts.pop() ?? '';
  return [parts.join(':'), host, container];
}

function checkedAddress(ip: string): string {
  const bare = /^\[(.*)\]$/.exec(ip)?.[1] ?? ip;
  if (bare !== '' && isIP(bare.replace(/%.*$/, '')) === 0) throw new Error(`invalid IP address: ${ip}`);
  return bare;
}

function addSpec(settings: PortSettings, spec: string): void {
  const [rawIp, host, containerPart] = splitSpec(spec);
  const [container, rawProtocol] = splitProtocol(containerPart);
  const ip = checkedAddress(rawIp);
  if (container === '') throw new Error(`no port specified: ${spec}<empty>`);
  const range = portRange(container);
  if (range === undefined) throw new Error(`invalid containerPort: ${container}`);
  const hostRange = host === '' ? undefined : portRange(host);
  if (host !== '' && hostRange === undefined) throw new Error(`invalid hostPort: ${host}`);
  const size = range[1] - range[0];
  if (hostRange !== undefined && hostRange[1] - hostRange[0] !== size && size !== 0) {
    throw new Error(`invalid ranges specified for container and host Ports: ${container} and ${host}`);
  }
  const protocol = rawProtocol.toLowerCase();
  if (!['tcp', 'udp', 'sctp'].includes(protocol)) throw new Error(`invalid proto: ${rawProtocol}`);
  for (let index = 0; index <= size; index++) {
    const key = `${range[0] + index}/${protocol}`;
    settings.exposed[key] = {};
    let hostPort = hostRange === undefined ? '' : String(hostRange[0] + index);
    // One container port and many host ports: the daemon picks a free one of them.
    if (size === 0 && hostRange !== undefined && hostRange[0] !== hostRange[1])
      hostPort = `${hostRange[0]}-${hostRange[1]}`;
    settings.bindings[key] = [...(settings.bindings[key] ?? []), { HostIp: ip, HostPort: hostPort }];
  }
}

/** Turns `target=80,published=8080,protocol=udp` into `8080:80/udp`. */
function shortNotation(spec: string): string {
  if (!spec.includes('=')) return spec;
  const fields = new Map<string, string>();
  for (const field of csvFields(spec)) {
    const [key, value] = keyValue(field);
    if (value === undefined || key === '') {
      throw new Error(`invalid publish opts format (should be name=value but got '${field}')`);
    }
    fields.set(key, value);
  }
  const target = fields.get('target') ?? '';
  const published = fields.get('published');
  return `${published === undefined ? '' : `${published}:`}${target}/${fields.get('protocol') ?? 'tcp'}`;
}

/**
 * Reads the values of `--publish` and `--expose`.
 * @throws Error in docker's words.
 */
export function parsePorts(publish: readonly string[], expose: readonly string[]): PortSettings {
  const settings: PortSettings = { exposed: {}, bindings: {} };
  for (const spec of publish) addSpec(settings, shortNotation(spec));
  for (const value of expose) {
    if (value.includes(':')) throw new Error(`invalid port format for --expose: ${value}`);
    const [port, protocol] = splitProtocol(value);
    const range = portRange(port);
    if (range === undefined) {
      const part =
        port === ''
          ? 'empty string specified for ports'
          : `strconv.ParseUint: parsing ${JSON.stringify(port)}: invalid syntax`;
      throw new Error(`invalid range format for --expose: ${value}, error: ${part}`);
    }
    for (let number = range[0]; number <= range[1]; number++)
      settings.exposed[`${number}/${protocol}`] ??= {};
  }
  return settings;
}
