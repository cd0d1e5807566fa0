import { TareError } from '../../../base/errors.ts';

/** `tcp://host:port`, `unix:///path`, taken apart. */
export interface TransportUrl {
  readonly scheme: string;
  /** `host:port`, empty for a path. */
  readonly host: string;
  readonly path: string;
}

/** Undefined for what is no `proto://address` of the protocols that log drivers speak. Throws `invalid`. */
export function parseTransport(address: string): TransportUrl | undefined {
  const match = /^(tcp\+tls|tls|tcp|udp|unixgram|unix):\/\/([^/?#]*)([^?#]*)/.exec(address);
  if (!match) return undefined;
  const [, scheme = '', host = '', path = ''] = match;
  const port = /^(?:\[[^\]]*\]|[^:]*)(:.*)?$/.exec(host.replace(/^[^@]*@/, ''))?.[1] ?? '';
  if (!/^(:\d*)?$/.test(port)) {
    const wrong = port.slice(port.lastIndexOf(':'));
    throw new TareError(
      'invalid',
      `parse ${JSON.stringify(address)}: invalid port ${JSON.stringify(wrong)} after host`,
    );
  }
  return { scheme, host, path };
}

/** Takes `host:port` apart; an IPv6 address stands in brackets. Throws `invalid` in the words of Go's package `net`. */
export function splitHostPort(address: string): { host: string; port: string | undefined } {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*))(?::([^:]*))?$/.exec(address);
  if (!match) throw new TareError('invalid', `address ${address}: too many colons in address`);
  return { host: match[1] ?? match[2] ?? '', port: match[3] };
}
