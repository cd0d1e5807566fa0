import { existsSync, readFileSync } from 'node:fs';
import { messageOf, TareError } from '../../../base/errors.ts';
import { parseDuration } from '../../../base/go-duration.ts';
import { parseGoBool } from '../../../base/go-scalars.ts';
import { codeOf } from '../../../kernel/errno.ts';
import { UdpDestination, UnixDatagramDestination } from '../../../runtime/log/ship/datagram-destination.ts';
import { fluentdAnswers } from '../../../runtime/log/ship/fluentd-answers.ts';
import { FluentdEncoder } from '../../../runtime/log/ship/fluentd-encoder.ts';
import { GelfEncoder } from '../../../runtime/log/ship/gelf-encoder.ts';
import { JournaldEncoder } from '../../../runtime/log/ship/journald-encoder.ts';
import type { LogDestination, LogEncoder } from '../../../runtime/log/ship/ship.ts';
import { StreamDestination } from '../../../runtime/log/ship/stream-destination.ts';
import { SyslogEncoder, type SyslogOptions } from '../../../runtime/log/ship/syslog-encoder.ts';
import type { Container } from '../model.ts';
import { facilityNumber } from './driver-options.ts';
import { logAttributes } from './log-attributes.ts';
import { parseTransport, splitHostPort } from './transport-address.ts';

/** How one container's log leaves the machine. */
export interface Shipping {
  readonly encoder: LogEncoder;
  readonly destination: LogDestination;
  /** Longest pause between two tries, milliseconds. */
  readonly retryWait: number;
}

/** What the machine has that drivers talk to. */
export interface LocalSockets {
  /** journald's native socket. */
  readonly journald: string;
  /** Where programs find the syslog of their machine; the first that is there. */
  readonly syslog: readonly string[];
}

const RETRY_WAIT = 2000;
const SYSLOG_PORT = 514;
const FLUENTD_PORT = 24224;

/**
 * Reads a container's options; undefined for the drivers whose log stays here. Nothing is connected yet: a destination
 * that is away is no fault. What the machine itself lacks is: throws `invalid` in Docker's words.
 */
export function shippingOf(container: Container, sockets: LocalSockets): Shipping | undefined {
  switch (container.hostConfig.logConfig.type) {
    case 'journald':
      return journald(container, sockets);
    case 'syslog':
      return syslog(container, sockets);
    case 'fluentd':
      return fluentd(container);
    case 'gelf':
      return gelf(container);
    default:
      return undefined;
  }
}

function journald(container: Container, { journald: path }: LocalSockets): Shipping {
  if (!existsSync(path)) throw new TareError('invalid', 'journald is not enabled on this host');
  const { tag, extra } = logAttributes(container);
  return {
    encoder: new JournaldEncoder({
      tag,
      extra,
      containerId: container.id,
      containerName: container.name,
      imageName: container.config.image,
    }),
    destination: new UnixDatagramDestination(path),
    retryWait: RETRY_WAIT,
  };
}

function syslog(container: Container, sockets: LocalSockets): Shipping {
  const { config } = container.hostConfig.logConfig;
  const { tag } = logAttributes(container);
  const format = (config['syslog-format'] ?? '') as SyslogOptions['format'];
  const url = parseTransport(config['syslog-address'] ?? '');
  const secure = url?.scheme === 'tcp+tls';
  return {
    encoder: new SyslogEncoder({
      tag,
      format,
      facility: facilityNumber(config['syslog-facility'] ?? ''),
      counted: secure && format.startsWith('rfc5424'),
      pid: process.pid,
    }),
    destination: syslogDestination(container, sockets),
    retryWait: RETRY_WAIT,
  };
}

function syslogDestination(container: Container, sockets: LocalSockets): LogDestination {
  const { config } = container.hostConfig.logConfig;
  const url = parseTransport(config['syslog-address'] ?? '');
  if (!url) {
    const path = sockets.syslog.find((candidate) => existsSync(candidate));
    if (path === undefined) throw new TareError('invalid', 'Unix syslog delivery error');
    return new UnixDatagramDestination(path);
  }
  if (url.scheme === 'unixgram') return new UnixDatagramDestination(url.path);
  if (url.scheme === 'unix') return new StreamDestination({ kind: 'unix', path: url.path });
  const { host, port } = splitHostPort(url.host);
  const number = Number(port || SYSLOG_PORT);
  if (url.scheme === 'udp') return new UdpDestination(host, number);
  const tls = url.scheme === 'tcp+tls' ? tlsOptions(config) : undefined;
  return new StreamDestination({ kind: 'tcp', host: host || 'localhost', port: number, ...(tls && { tls }) });
}

/** Throws `invalid` in the words of Docker's go-connections. */
function tlsOptions(config: Readonly<Record<string, string>>) {
  const read = (option: string, what: string): string | undefined => {
    const path = config[option];
    if (!path) return undefined;
    try {
      return readFileSync(path, 'utf8');
    } catch (error) {
      const why = codeOf(error) === 'ENOENT' ? `open ${path}: no such file or directory` : messageOf(error);
      throw new TareError('invalid', `could not read ${what} ${JSON.stringify(path)}: ${why}`);
    }
  };
  const ca = read('syslog-tls-ca-cert', 'CA certificate');
  const cert = read('syslog-tls-cert', 'X509 key pair');
  const key = read('syslog-tls-key', 'X509 key pair');
  // As in Docker, the option's being there is enough.
  const rejectUnauthorized = config['syslog-tls-skip-verify'] === undefined;
  return {
    rejectUnauthorized,
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
  };
}

function fluentd(container: Container): Shipping {
  const { config } = container.hostConfig.logConfig;
  const { tag, extra } = logAttributes(container);
  const isSet = (name: string): boolean => parseGoBool(config[`fluentd-${name}`] || 'false');
  const address = config['fluentd-address'] || '127.0.0.1';
  const url = parseTransport(address);
  const { host, port } = splitHostPort(url?.host ?? address);
  const acknowledged = isSet('request-ack');
  const target = url?.scheme.startsWith('unix')
    ? ({ kind: 'unix', path: url.path } as const)
    : ({ kind: 'tcp', host: host || '127.0.0.1', port: Number(port || FLUENTD_PORT) } as const);
  const wait = config['fluentd-retry-wait'];
  return {
    encoder: new FluentdEncoder({
      tag,
      extra,
      containerId: container.id,
      containerName: `/${container.name}`,
      subSecond: isSet('sub-second-precision'),
      acknowledged,
    }),
    destination: new StreamDestination(target, acknowledged ? fluentdAnswers : undefined),
    retryWait: wait ? Math.max(parseDuration(wait) / 1e6, 1) : RETRY_WAIT,
  };
}

function gelf(container: Container): Shipping {
  const { config } = container.hostConfig.logConfig;
  const { tag, extra } = logAttributes(container);
  const url = parseTransport(config['gelf-address'] ?? '');
  const { host, port } = splitHostPort(url?.host ?? '');
  const transport = url?.scheme === 'tcp' ? 'tcp' : 'udp';
  const { entrypoint, cmd, image } = container.config;
  const delay = config['gelf-tcp-reconnect-delay'];
  return {
    encoder: new GelfEncoder({
      transport,
      compression: (config['gelf-compression-type'] ?? 'gzip') as 'gzip' | 'zlib' | 'none',
      level: Number(config['gelf-compression-level'] ?? 1),
      fields: {
        _command: [...(entrypoint ?? []), ...(cmd ?? [])].join(' '),
        _container_id: container.id,
        _container_name: container.name,
        _created: new Date(container.createdAt).toISOString(),
        _image_id: container.imageId,
        _image_name: image,
        _tag: tag,
        ...Object.fromEntries(
          Object.entries(extra).map(([name, value]) => [name.startsWith('_') ? name : `_${name}`, value]),
        ),
      },
    }),
    destination:
      transport === 'tcp'
        ? new StreamDestination({ kind: 'tcp', host: host || 'localhost', port: Number(port) })
        : new UdpDestination(host, Number(port)),
    // Docker counts it in seconds.
    retryWait: delay ? Math.max(Number(delay) * 1000, 1) : RETRY_WAIT,
  };
}
