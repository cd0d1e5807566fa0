import { randomBytes } from 'node:crypto';
import type { LogLine } from '../line-joiner.ts';
import { packArrayHead, packEventTime, packMapHead, packString, packUnsigned } from './msgpack.ts';
import { pieceId } from './piece-id.ts';
import { type LogEncoder, textBytes } from './ship.ts';

export interface FluentdOptions {
  readonly tag: string;
  readonly containerId: string;
  /** With the slash before it, as Docker sends it. */
  readonly containerName: string;
  readonly extra: Readonly<Record<string, string>>;
  /** Times with nanoseconds (EventTime) instead of seconds. */
  readonly subSecond: boolean;
  /** Each message names itself, and the server answers with that name (`chunk`). */
  readonly acknowledged: boolean;
}

/** Messages of fluentd's forward protocol, version 1 (message mode): `[tag, time, record, option?]`. */
export class FluentdEncoder implements LogEncoder {
  readonly #options: FluentdOptions;
  readonly #tag: Buffer;
  readonly #fixed: Buffer;
  readonly #fixedPairs: number;

  constructor(options: FluentdOptions) {
    this.#options = options;
    this.#tag = packString(options.tag);
    const fixed = {
      container_id: options.containerId,
      container_name: options.containerName,
      ...options.extra,
    };
    this.#fixed = packPairs(fixed);
    this.#fixedPairs = Object.keys(fixed).length;
  }

  encode(line: LogLine): Uint8Array[] {
    const { subSecond, acknowledged, containerId } = this.#options;
    const seconds = Math.floor(Date.parse(line.time) / 1000);
    const nanos = Number(line.time.slice(20, -1).padEnd(9, '0'));
    const { piece } = line;
    const own = {
      source: line.stream,
      ...(piece && {
        partial_message: 'true',
        partial_id: pieceId(containerId, line),
        partial_ordinal: String(piece.ordinal),
        partial_last: String(piece.last),
      }),
    };
    return [
      Buffer.concat([
        packArrayHead(acknowledged ? 4 : 3),
        this.#tag,
        subSecond ? packEventTime(seconds, nanos) : packUnsigned(seconds),
        packMapHead(this.#fixedPairs + Object.keys(own).length + 1),
        this.#fixed,
        packPairs(own),
        LOG_KEY,
        packString(textBytes(line)),
        ...(acknowledged ? [packMapHead(1), packPairs({ chunk: randomBytes(16).toString('base64') })] : []),
      ]),
    ];
  }
}

const LOG_KEY = packString('log');

function packPairs(pairs: Readonly<Record<string, string>>): Buffer {
  return Buffer.concat(Object.entries(pairs).flatMap(([key, value]) => [packString(key), packString(value)]));
}
