import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { deflateSync, gzipSync } from 'node:zlib';
import type { LogLine } from '../line-joiner.ts';
import { type LogEncoder, textBytes } from './ship.ts';

export interface GelfOptions {
  /** Further fields, with the underscore before their names. */
  readonly fields: Readonly<Record<string, string>>;
  /** Over TCP a message ends with a zero byte and nothing is compressed. */
  readonly transport: 'udp' | 'tcp';
  readonly compression: 'gzip' | 'zlib' | 'none';
  /** -1 to 9, as zlib has them. */
  readonly level: number;
  readonly host?: string;
}

const LEVEL_ERROR = 3;
const LEVEL_INFO = 6;
/** go-gelf's limits: a datagram that fits into an Ethernet frame, and GELF's own number of chunks. */
const CHUNK = 1420;
const CHUNK_HEADER = 12;
const MAX_CHUNKS = 128;

/** GELF 1.1 messages, chunked where a datagram would be too long (docs.graylog.org, "GELF via UDP"). */
export class GelfEncoder implements LogEncoder {
  readonly #options: GelfOptions;
  readonly #host: string;
  readonly #decoder = new TextDecoder();

  constructor(options: GelfOptions) {
    this.#options = options;
    this.#host = options.host ?? hostname();
  }

  encode(line: LogLine): Uint8Array[] {
    const text = textBytes(line);
    // GELF wants a message; servers refuse one without.
    if (text.byteLength === 0) return [];
    const message = JSON.stringify({
      version: '1.1',
      host: this.#host,
      short_message: this.#decoder.decode(text),
      timestamp: Date.parse(line.time) / 1000,
      level: line.stream === 'stderr' ? LEVEL_ERROR : LEVEL_INFO,
      ...this.#options.fields,
    });
    if (this.#options.transport === 'tcp') return [Buffer.from(`${message}\0`)];
    return chunked(this.#compressed(Buffer.from(message)));
  }

  #compressed(bytes: Buffer): Uint8Array {
    const { compression, level } = this.#options;
    if (compression === 'none') return bytes;
    return compression === 'gzip' ? gzipSync(bytes, { level }) : deflateSync(bytes, { level });
  }
}

function chunked(bytes: Uint8Array): Uint8Array[] {
  if (bytes.byteLength <= CHUNK) return [bytes];
  const payload = CHUNK - CHUNK_HEADER;
  const count = Math.ceil(bytes.byteLength / payload);
  if (count > MAX_CHUNKS) return [];
  const id = randomBytes(8);
  return Array.from({ length: count }, (_, index) =>
    Buffer.concat([
      Buffer.from([0x1e, 0x0f]),
      id,
      Buffer.from([index, count]),
      bytes.subarray(index * payload, (index + 1) * payload),
    ]),
  );
}
