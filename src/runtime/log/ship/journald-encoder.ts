import type { LogLine } from '../line-joiner.ts';
import { pieceId } from './piece-id.ts';
import { type LogEncoder, textBytes } from './ship.ts';

export interface JournaldOptions {
  readonly tag: string;
  readonly containerId: string;
  /** Without a slash. */
  readonly containerName: string;
  readonly imageName: string;
  readonly extra: Readonly<Record<string, string>>;
}

const PRIORITY_ERROR = '3';
const PRIORITY_INFO = '6';

/** Entries of journald's native protocol, a datagram each (systemd.io, JOURNAL_NATIVE_PROTOCOL). */
export class JournaldEncoder implements LogEncoder {
  readonly #fixed: Buffer;
  readonly #containerId: string;

  constructor({ tag, containerId, containerName, imageName, extra }: JournaldOptions) {
    this.#containerId = containerId;
    const own = Object.entries(extra).map(([name, value]) => [fieldName(name), value] as const);
    this.#fixed = fields({
      CONTAINER_ID: containerId.slice(0, 12),
      CONTAINER_ID_FULL: containerId,
      CONTAINER_NAME: containerName,
      CONTAINER_TAG: tag,
      IMAGE_NAME: imageName,
      SYSLOG_IDENTIFIER: tag,
      ...Object.fromEntries(own.filter(([name]) => name !== '')),
    });
  }

  encode(line: LogLine): Uint8Array[] {
    const { piece } = line;
    const own = fields({
      PRIORITY: line.stream === 'stderr' ? PRIORITY_ERROR : PRIORITY_INFO,
      SYSLOG_TIMESTAMP: line.time,
      ...(piece && {
        ...(!piece.last && { CONTAINER_PARTIAL_MESSAGE: 'true' }),
        CONTAINER_PARTIAL_ID: pieceId(this.#containerId, line),
        CONTAINER_PARTIAL_ORDINAL: String(piece.ordinal),
        CONTAINER_PARTIAL_LAST: String(piece.last),
      }),
    });
    return [Buffer.concat([this.#fixed, own, field('MESSAGE', textBytes(line))])];
  }
}

/** Journald's names have capitals, digits and underscores, and no underscore at the front. */
function fieldName(name: string): string {
  return name
    .toUpperCase()
    .replace(/[^A-Z0-9]/g, '_')
    .replace(/^_+/, '');
}

function fields(values: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(Object.entries(values).map(([name, value]) => field(name, Buffer.from(value))));
}

/** `NAME=value`; a value with a newline goes with its length instead. */
function field(name: string, value: Uint8Array): Buffer {
  if (!value.includes(10)) return Buffer.concat([Buffer.from(`${name}=`), value, NEWLINE]);
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(value.byteLength));
  return Buffer.concat([Buffer.from(`${name}\n`), size, value, NEWLINE]);
}

const NEWLINE = Buffer.from('\n');
