import { TareError } from '../base/errors.ts';
import { type ByteString, toText } from './byte-string.ts';
import { type PaxRecords, parsePax, parsePaxNumber, parsePaxTime, XATTR_PREFIX } from './pax.ts';
import { BLOCK, paddingOf, type SparsePiece, type TarEntry, type TarType } from './tar-entry.ts';
import { decodeHeader, decodeNumber, isZeroBlock, type RawHeader } from './tar-header.ts';
import { checkPieces, oldSparsePieces, type PaxSparse, parseSparseMap, paxSparse } from './tar-sparse.ts';

/**
 * Receives a tar in the order of its bytes. Each byte comes in exactly one of `raw` (headers, extensions,
 * padding, the end) and `data` (contents of files), so that a receiver can rebuild the archive. Byte arrays are
 * views of the caller's chunk: valid during the call only.
 */
export interface TarSink {
  raw(bytes: Uint8Array): void;
  /** A member begins; its stored bytes follow by `data`, then `endEntry`. */
  entry(entry: TarEntry): void;
  data(bytes: Uint8Array): void;
  endEntry(): void;
}

/** Longest extension (PAX records, GNU long name) in bytes; Go's archive/tar has the same bound. */
const META_LIMIT = 1024 * 1024;
/** Longest map of a sparse file in bytes. */
const MAP_LIMIT = 32 * 1024 * 1024;

const TYPES: Readonly<Record<string, TarType>> = {
  '0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'link',
  '2': 'symlink',
  '3': 'character',
  '4': 'block',
  '5': 'directory',
  '6': 'fifo',
};

type State = 'header' | 'payload' | 'padding' | 'meta' | 'extension' | 'map' | 'zero' | 'trailer';

/**
 * A push parser for tar: v7, ustar, PAX and GNU with its long names, base-256 numbers and sparse files. It
 * copies nothing but headers that cross a chunk's border. Throws `corrupt`; after that it is of no more use.
 */
export class TarParser {
  readonly #sink: TarSink;
  readonly #bareEnd: boolean;
  #state: State = 'header';
  /** Bytes still to come in the states `payload`, `padding` and `meta`. */
  #remaining = 0;
  readonly #block = Buffer.alloc(BLOCK);
  #filled = 0;
  #meta: Buffer[] = [];
  #metaFlag = '';
  #header: RawHeader | undefined;
  #longName: ByteString | undefined;
  #longLink: ByteString | undefined;
  #global: PaxRecords = [];
  #local: PaxRecords = [];
  #sparse: PaxSparse | undefined;
  #pieces: SparsePiece[] = [];
  #realSize = 0;

  /**
   * @param options.bareEnd let an archive pass that ends with its last member's contents, as Go's reader does: such are
   * the contexts that the docker CLI sends with a Dockerfile from elsewhere
   */
  constructor(sink: TarSink, { bareEnd = false } = {}) {
    this.#sink = sink;
    this.#bareEnd = bareEnd;
  }

  push(chunk: Uint8Array): void {
    const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    let at = 0;
    while (at < bytes.byteLength) at += this.#step(bytes, at);
  }

  /** The input is over. Throws `corrupt` when the archive is not. */
  end(): void {
    const done =
      this.#state === 'trailer' ||
      this.#state === 'zero' ||
      (this.#bareEnd && this.#state === 'padding' && this.#isFresh()) ||
      (this.#state === 'header' && this.#filled === 0 && this.#isFresh());
    if (!done || (this.#state === 'zero' && this.#filled > 0)) {
      throw new TareError('corrupt', 'invalid tar: unexpected end of the archive (it is truncated)');
    }
  }

  #isFresh(): boolean {
    return this.#longName === undefined && this.#longLink === undefined && this.#local.length === 0;
  }

  /** Consumes some bytes at `at` and returns how many. */
  #step(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case 'payload': {
        const part = bytes.subarray(at, at + this.#remaining);
        this.#sink.data(part);
        this.#remaining -= part.byteLength;
        if (this.#remaining === 0) this.#endPayload();
        return part.byteLength;
      }
      case 'padding': {
        const part = bytes.subarray(at, at + this.#remaining);
        this.#sink.raw(part);
        this.#remaining -= part.byteLength;
        if (this.#remaining === 0) this.#state = 'header';
        return part.byteLength;
      }
      case 'meta': {
        const part = bytes.subarray(at, at + this.#remaining);
        this.#sink.raw(part);
        this.#meta.push(Buffer.from(part));
        this.#remaining -= part.byteLength;
        if (this.#remaining === 0) this.#endMeta();
        return part.byteLength;
      }
      case 'trailer': {
        this.#sink.raw(bytes.subarray(at));
        return bytes.byteLength - at;
      }
      default:
        return this.#fillBlock(bytes, at);
    }
  }

  /** The states that read whole blocks. */
  #fillBlock(bytes: Buffer, at: number): number {
    if (this.#filled === 0 && bytes.byteLength - at >= BLOCK) {
      const block = bytes.subarray(at, at + BLOCK);
      this.#sink.raw(block);
      this.#gotBlock(block);
      return BLOCK;
    }
    const part = bytes.subarray(at, at + BLOCK - this.#filled);
    this.#sink.raw(part);
    part.copy(this.#block, this.#filled);
    this.#filled += part.byteLength;
    if (this.#filled === BLOCK) {
      this.#filled = 0;
      this.#gotBlock(this.#block);
    }
    return part.byteLength;
  }

  #gotBlock(block: Buffer): void {
    switch (this.#state) {
      case 'zero':
        if (!isZeroBlock(block)) throw corrupt('a lone zero block');
        this.#state = 'trailer';
        return;
      case 'extension':
        this.#pieces.push(...oldSparsePieces(block, 0, 21));
        if (this.#pieces.length * 24 > MAP_LIMIT) throw corrupt('the map of a sparse file is too long');
        if (block[504] !== 1) this.#beginSparse();
        return;
      case 'map':
        this.#gotMapBlock(block);
        return;
      default:
        this.#gotHeader(block);
    }
  }

  #gotHeader(block: Buffer): void {
    if (isZeroBlock(block)) {
      if (!this.#isFresh()) throw corrupt('an extension without a member');
      this.#state = 'zero';
      return;
    }
    const header = decodeHeader(block);
    switch (header.flag) {
      case 'x':
      case 'X':
      case 'g':
      case 'L':
      case 'K':
        this.#beginMeta(header);
        return;
      case 'V':
        // A volume label: names the archive, is no member.
        this.#header = undefined;
        this.#beginPadding(header.size);
        return;
      default:
        this.#beginMember(header, block);
    }
  }

  #beginMeta(header: RawHeader): void {
    if (header.size < 0 || header.size > META_LIMIT) throw corrupt('an extended header is too long');
    this.#metaFlag = header.flag;
    this.#meta = [];
    this.#remaining = header.size;
    this.#state = 'meta';
    if (header.size === 0) this.#endMeta();
  }

  #endMeta(): void {
    const data = Buffer.concat(this.#meta);
    this.#meta = [];
    if (this.#metaFlag === 'L') this.#longName = untilNul(data);
    else if (this.#metaFlag === 'K') this.#longLink = untilNul(data);
    else if (this.#metaFlag === 'g') this.#global = [...this.#global, ...parsePax(data)].slice(-10_000);
    else this.#local = [...this.#local, ...parsePax(data)];
    this.#beginPadding(paddingOf(data.byteLength));
  }

  /** Skips `length` bytes and then reads a header. */
  #beginPadding(length: number): void {
    this.#remaining = length;
    this.#state = length === 0 ? 'header' : 'padding';
  }

  #beginMember(header: RawHeader, block: Buffer): void {
    const records = this.#global.length > 0 ? [...this.#global, ...this.#local] : this.#local;
    const sizeRecord = records.findLast(([key]) => key === 'size');
    const size = sizeRecord === undefined ? header.size : parsePaxNumber(sizeRecord[1], 'size');
    const type = TYPES[header.flag];
    if (type === undefined) {
      throw corrupt(`unsupported entry type ${JSON.stringify(header.flag)} of ${toText(header.name)}`);
    }
    if (size < 0) throw corrupt('a negative size');
    this.#header = { ...header, size: type === 'file' ? size : 0 };
    this.#realSize = this.#header.size;
    this.#sparse = records.length > 0 ? paxSparse(records) : undefined;
    if (header.flag === 'S') {
      this.#pieces = oldSparsePieces(block, 386, 4);
      this.#realSize = decodeNumber(block, 483, 12, 'real size');
      if (block[482] === 1) this.#state = 'extension';
      else this.#beginSparse();
    } else if (this.#sparse !== undefined && type === 'file') {
      this.#realSize = this.#sparse.realSize;
      this.#pieces = this.#sparse.pieces ?? [];
      if (this.#sparse.pieces === undefined) this.#state = 'map';
      else this.#beginSparse();
    } else {
      this.#emit(undefined);
    }
  }

  #gotMapBlock(block: Buffer): void {
    this.#meta.push(Buffer.from(block));
    if (this.#meta.length * BLOCK > MAP_LIMIT) throw corrupt('the map of a sparse file is too long');
    // Parsing from the start after each block is quadratic; only look when the map may be complete.
    const count = this.#meta.length;
    if (count > 64 && count % 64 !== 0 && !block.includes(0)) return;
    const header = this.#header;
    const map = parseSparseMap(Buffer.concat(this.#meta));
    if (map === undefined || header === undefined) return;
    this.#meta = [];
    if (map.length > header.size) throw corrupt('the map of a sparse file is longer than its data');
    this.#header = { ...header, size: header.size - map.length };
    this.#pieces = map.pieces;
    this.#beginSparse();
  }

  #beginSparse(): void {
    checkPieces(this.#pieces, this.#realSize, this.#header?.size ?? 0);
    this.#emit(this.#pieces);
  }

  #emit(pieces: readonly SparsePiece[] | undefined): void {
    const header = this.#header;
    if (header === undefined) throw corrupt('no header');
    const entry = this.#entryOf(header, pieces);
    this.#local = [];
    this.#longName = undefined;
    this.#longLink = undefined;
    this.#sparse = undefined;
    this.#pieces = [];
    this.#sink.entry(entry);
    this.#remaining = header.size;
    this.#state = 'payload';
    if (header.size === 0) this.#endPayload();
  }

  #endPayload(): void {
    this.#sink.endEntry();
    this.#beginPadding(paddingOf(this.#header?.size ?? 0));
    this.#header = undefined;
  }

  #entryOf(header: RawHeader, pieces: readonly SparsePiece[] | undefined): TarEntry {
    let name = this.#longName ?? header.name;
    let linkName = this.#longLink ?? header.linkName;
    let { uid, gid, seconds } = header;
    let nanoseconds = 0;
    let xattrs: Map<ByteString, Uint8Array> = NO_XATTRS;
    const apply = ([key, value]: readonly [ByteString, Buffer]): void => {
      if (key === 'path') name = clean(value, key);
      else if (key === 'linkpath') linkName = clean(value, key);
      else if (key === 'uid') uid = parsePaxNumber(value, key);
      else if (key === 'gid') gid = parsePaxNumber(value, key);
      else if (key === 'mtime') ({ seconds, nanoseconds } = parsePaxTime(value.toString('latin1')));
      else if (key.startsWith(XATTR_PREFIX)) {
        if (xattrs === NO_XATTRS) xattrs = new Map();
        xattrs.set(key.slice(XATTR_PREFIX.length), new Uint8Array(value));
      }
    };
    for (const record of this.#global) apply(record);
    for (const record of this.#local) apply(record);
    if (this.#sparse?.name !== undefined) name = this.#sparse.name;
    let type = TYPES[header.flag] ?? 'file';
    // Old archives mark a directory only by the slash.
    if (type === 'file' && header.flag === '0' && name.endsWith('/')) type = 'directory';
    if (name === '') throw corrupt('a member without a name');
    const isLink = type === 'link' || type === 'symlink';
    return {
      type,
      name,
      linkName: isLink ? linkName : '',
      mode: header.mode,
      uid,
      gid,
      size: type === 'file' ? this.#realSize : 0,
      seconds,
      nanoseconds,
      major: header.major,
      minor: header.minor,
      xattrs,
      ...(pieces === undefined ? {} : { sparse: pieces }),
    };
  }
}

const NO_XATTRS: Map<ByteString, Uint8Array> = new Map();

function untilNul(data: Buffer): ByteString {
  const nul = data.indexOf(0);
  return data.toString('latin1', 0, nul < 0 ? data.byteLength : nul);
}

function clean(value: Buffer, key: string): ByteString {
  if (value.includes(0)) throw corrupt(`NUL in the PAX record ${key}`);
  return value.toString('latin1');
}

function corrupt(reason: string): TareError {
  return new TareError('corrupt', `invalid tar: ${reason}`);
}
