import type { ContextEntry, FileEnd } from '../../archive/context-entry.ts';
import { TareError } from '../../base/errors.ts';
import type { ContextSync, WantedFile } from '../../engine/builder/context/kept-contexts.ts';
import { fromGrpc } from '../grpc/grpc-error.ts';
import { FILE_SYNC } from '../proto/attachables.ts';
import { PACKET, Packet, type Stat } from '../proto/files.ts';
import type { ValueOf } from '../proto/message.ts';
import { isRegular, unixMode } from './go-mode.ts';
import { encodeMetadata } from './metadata.ts';
import type { Session } from './sessions.ts';

type FileStat = Partial<ValueOf<typeof Stat>>;

/** What files are written to; `write` keeps no hold of the bytes. */
export interface FileSink extends Pick<ContextSync, 'announce' | 'wanted'> {
  write(index: number, bytes: Uint8Array): Promise<void> | void;
  end(index: number, how: FileEnd): Promise<void> | void;
}

/** Which files of a client's directory are wanted. Patterns are those of `.dockerignore`. */
export interface Selection {
  /** Name that the client knows the directory by: `context`, `dockerfile`, or of a named context. */
  readonly name: string;
  readonly excludes?: readonly string[];
  /** Only these paths, and what links among them lead to. */
  readonly follow?: readonly string[];
}

/**
 * Makes a kept directory equal to a client's. The client announces all entries with STAT packets, in the order of a walk
 * that sorts by name; it is asked for the contents of files by REQ with the number of the entry, sends them as
 * DATA, an empty one at the end, and answers FIN with FIN.
 */
export async function syncFiles(
  session: Session,
  selection: Selection,
  sync: FileSink,
  { signal, progress }: { signal: AbortSignal; progress?: (bytes: number) => void },
): Promise<void> {
  const what = `reading ${selection.name} of the client`;
  const metadata = encodeMetadata({
    'dir-name': [selection.name],
    'exclude-patterns': selection.excludes ?? [],
    followpaths: selection.follow ?? [],
  });
  try {
    const call = session.channel.call(FILE_SYNC, metadata, signal);
    try {
      await new FileReceiver(call.sendAll, sync, progress ?? (() => {})).run(call.messages);
    } catch (error) {
      call.cancel();
      throw error;
    }
    call.end();
  } catch (error) {
    throw fromGrpc(error, what);
  }
}

/**
 * Files that are asked for at once. The client takes that many requests without being read: with more, both sides
 * could wait for each other.
 */
const AT_ONCE = 64;
/** Entries are handed on in heaps: each handing over is a message to a Worker. */
const HEAP = 512;

/** Our side of one transfer. */
export class FileReceiver {
  readonly #send: (messages: readonly Uint8Array[]) => Promise<void>;
  readonly #sync: FileSink;
  readonly #progress: (bytes: number) => void;
  readonly #announced: ContextEntry[] = [];
  /** Regular files by path: a hard link tells only whose it is. */
  readonly #files = new Map<string, ContextEntry>();
  /** Numbers of the client's entries by our own. */
  readonly #numbers: number[] = [];
  /** Files that are on their way, by the client's number: our own. */
  readonly #coming = new Map<number, number>();
  /** Not asked for yet, the next one last. */
  readonly #wanted: WantedFile[] = [];
  #count = 0;
  #bytes = 0;
  #asked = false;

  constructor(
    send: (messages: readonly Uint8Array[]) => Promise<void>,
    sync: FileSink,
    progress: (bytes: number) => void,
  ) {
    this.#send = send;
    this.#sync = sync;
    this.#progress = progress;
  }

  async run(messages: AsyncIterable<Uint8Array>): Promise<void> {
    for await (const bytes of messages) {
      this.#bytes += bytes.length;
      this.#progress(this.#bytes);
      const { type, stat, id, data } = Packet.decode(bytes);
      if (type === PACKET.stat) await (stat === undefined ? this.#allAnnounced() : this.#announce(stat));
      else if (type === PACKET.data) await this.#data(id, data);
      else if (type === PACKET.finish && this.#asked && this.#coming.size === 0) return;
      else if (type === PACKET.error) {
        throw new TareError('invalid', `error from sender: ${Buffer.from(data).toString('utf8')}`);
      } else throw new TareError('invalid', `unexpected packet ${type} from the client`);
    }
    throw new TareError('cancelled', 'the client ended in the midst of its files');
  }

  async #announce(stat: FileStat): Promise<void> {
    if (this.#asked) throw new TareError('invalid', 'the client announced files after the last one');
    const number = this.#count++;
    const entry = this.#entryOf(stat);
    if (entry === undefined) return;
    this.#numbers.push(number);
    this.#announced.push(entry);
    if (this.#announced.length >= HEAP) await this.#handOver();
  }

  /** Undefined for a socket, which no image can have. */
  #entryOf(stat: FileStat): ContextEntry | undefined {
    const { path = '', mode = 0, linkname = '', modTime = 0n } = stat;
    const unix = unixMode(mode);
    if (unix >> 12 === 0o14) return undefined;
    const regular = isRegular(mode);
    const original = regular && linkname !== '' ? this.#files.get(linkname) : undefined;
    const nanoseconds = ((modTime % NANO) + NANO) % NANO;
    const entry: ContextEntry = {
      path: byteString(path),
      mode: unix,
      uid: stat.uid ?? 0,
      gid: stat.gid ?? 0,
      size: regular ? (original?.size ?? stat.size ?? 0) : 0,
      seconds: Number((modTime - nanoseconds) / NANO),
      nanoseconds: Number(nanoseconds),
      mark: '',
      link: regular ? '' : byteString(linkname),
      major: stat.devMajor ?? 0,
      minor: stat.devMinor ?? 0,
      ...attributesOf(stat),
    };
    if (regular) this.#files.set(path, entry);
    return entry;
  }

  async #handOver(): Promise<void> {
    const heap = this.#announced.splice(0);
    if (heap.length > 0) await this.#sync.announce(heap);
  }

  async #allAnnounced(): Promise<void> {
    if (this.#asked) throw new TareError('invalid', 'the client announced its files twice');
    this.#asked = true;
    await this.#handOver();
    this.#wanted.push(...(await this.#sync.wanted()).toReversed());
    await this.#requestMore();
    await this.#finishIfDone();
  }

  /** The client keeps no digests: what has another time is sent in any case. */
  async #requestMore(): Promise<void> {
    if (this.#coming.size > AT_ONCE / 2) return;
    const requests: Uint8Array[] = [];
    while (this.#coming.size < AT_ONCE) {
      const file = this.#wanted.pop();
      if (file === undefined) break;
      const number = this.#numbers[file.index];
      if (number === undefined) throw new TareError('internal', `no entry ${file.index} in the context`);
      this.#coming.set(number, file.index);
      requests.push(Packet.encode({ type: PACKET.request, id: number }));
    }
    if (requests.length > 0) await this.#send(requests);
  }

  async #data(number: number, data: Uint8Array): Promise<void> {
    const index = this.#coming.get(number);
    if (index === undefined) throw new TareError('invalid', `the client sent file ${number} unasked`);
    if (data.length > 0) return this.#sync.write(index, data);
    this.#coming.delete(number);
    await this.#sync.end(index, 'complete');
    await this.#requestMore();
    await this.#finishIfDone();
  }

  async #finishIfDone(): Promise<void> {
    if (this.#asked && this.#coming.size === 0) await this.#send([Packet.encode({ type: PACKET.finish })]);
  }
}

const NANO = 1_000_000_000n;

/** Each character one byte, as paths have them here. */
function byteString(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}

function attributesOf({ xattrs = {} }: FileStat): Pick<ContextEntry, 'xattrs'> {
  const names = Object.keys(xattrs);
  if (names.length === 0) return {};
  return {
    xattrs: Object.fromEntries(names.map((name) => [name, Buffer.from(xattrs[name]!).toString('base64')])),
  };
}
