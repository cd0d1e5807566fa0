import type { TarEntry } from '../../archive/tar-entry.ts';
import type { TarMemberStream } from '../../archive/tar-members.ts';
import { TareError } from '../../base/errors.ts';
import { fromGrpc } from '../grpc/grpc-error.ts';
import { BytesMessage, FILE_SEND } from '../proto/attachables.ts';
import { PACKET, Packet, type Stat } from '../proto/files.ts';
import type { ValueOf } from '../proto/message.ts';
import { goMode, isRegular, UNIX } from './go-mode.ts';
import { encodeMetadata } from './metadata.ts';
import type { Session } from './sessions.ts';

/** Bytes of a message. */
const PIECE = 1 << 20;

/** `buildkit-attachable-exporter-id` tells the client which of its outputs is meant. */
function metadataOf(position: number, attrs: Readonly<Record<string, string>>) {
  const values: Record<string, string[]> = { 'buildkit-attachable-exporter-id': [String(position)] };
  for (const [key, value] of Object.entries(attrs)) values[`exporter-md-${key}`] = [value];
  return encodeMetadata(values);
}

/** Writes a file of the client's: what `--output type=tar,dest=…` names. */
export async function sendBytes(
  session: Session,
  position: number,
  attrs: Readonly<Record<string, string>>,
  bytes: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<void> {
  try {
    const call = session.channel.call(FILE_SEND, metadataOf(position, attrs), signal);
    for await (const chunk of bytes) {
      for (let at = 0; at < chunk.length; at += PIECE) {
        await call.send(BytesMessage.encode({ data: chunk.subarray(at, at + PIECE) }));
      }
    }
    call.end();
    // It has nothing to say but how it went.
    for await (const _ of call.messages);
  } catch (error) {
    throw fromGrpc(error, 'writing the output at the client');
  }
}

/** Bytes of a file that is kept here until it is asked for; a larger one is waited with. */
const SMALL = 256 << 10;
/** Bytes of all files that are kept. */
const KEPT = 8 << 20;

/**
 * Writes a directory of the client's: what `--output type=local,dest=…` names. We are the sender of the protocol that
 * file-sync.ts describes. `members`: of a tar, directories before what is in them and names in the order of bytes.
 */
export async function sendTree(
  session: Session,
  position: number,
  members: AsyncIterable<TarMemberStream>,
  progress: (bytes: number) => void,
  signal: AbortSignal,
): Promise<void> {
  try {
    const call = session.channel.call(FILE_SEND, metadataOf(position, {}), signal);
    try {
      const sender = new TreeSender(call.send, progress);
      // Whatever ends one of the two ends the other.
      await Promise.all([sender.listen(call.messages), sender.send(members)]);
    } catch (error) {
      call.cancel();
      throw error;
    }
    call.end();
  } catch (error) {
    throw fromGrpc(error, 'writing the output at the client');
  }
}

/** Announces entries, and sends the contents of files when they are asked for. */
class TreeSender {
  readonly #call: (message: Uint8Array) => Promise<void>;
  readonly #progress: (bytes: number) => void;
  readonly #kept = new Map<number, Uint8Array>();
  readonly #asked = new Set<number>();
  #keptBytes = 0;
  #sent = 0;
  #wake: (() => void) | undefined;
  #over = false;

  constructor(call: (message: Uint8Array) => Promise<void>, progress: (bytes: number) => void) {
    this.#call = call;
    this.#progress = progress;
  }

  /** What the client says, to the end. */
  async listen(messages: AsyncIterable<Uint8Array>): Promise<void> {
    try {
      for await (const message of messages) {
        const { type, id, data } = Packet.decode(message);
        if (type === PACKET.request) this.#asked.add(id);
        else if (type === PACKET.finish) return await this.#call(Packet.encode({ type: PACKET.finish }));
        else if (type === PACKET.error) throw new TareError('invalid', Buffer.from(data).toString('utf8'));
        this.#notify();
      }
      throw new TareError('cancelled', 'the client ended before it had all files');
    } finally {
      this.#over = true;
      this.#notify();
    }
  }

  async send(members: AsyncIterable<TarMemberStream>): Promise<void> {
    let number = 0;
    for await (const { entry, body } of members) {
      const path = textOf(entry.name).replace(/^\/+|\/+$/g, '');
      if (path === '' || path === '.') continue;
      const stat = statOf(entry, path);
      await this.#call(Packet.encode({ type: PACKET.stat, stat }));
      if (isRegular(stat.mode) && stat.linkname === '') await this.#file(number, entry.size, body);
      number++;
    }
    await this.#call(Packet.encode({ type: PACKET.stat }));
    while (this.#kept.size > 0 && !this.#over) await this.#answer();
  }

  async #file(number: number, size: number, body: AsyncIterable<Uint8Array>): Promise<void> {
    if (size <= SMALL) {
      const pieces: Uint8Array[] = [];
      for await (const piece of body) pieces.push(new Uint8Array(piece));
      this.#kept.set(number, Buffer.concat(pieces));
      this.#keptBytes += size;
      while (this.#keptBytes > KEPT && !this.#over) await this.#answer();
      return;
    }
    while (!this.#asked.has(number) && !this.#over) await this.#answer();
    for await (const piece of body) await this.#data(number, piece);
    await this.#endFile(number);
  }

  /** Sends what was asked for of what is kept; without any, waits for the next request. */
  async #answer(): Promise<void> {
    let found = false;
    for (const number of [...this.#asked]) {
      const bytes = this.#kept.get(number);
      if (bytes === undefined) continue;
      found = true;
      this.#kept.delete(number);
      this.#keptBytes -= bytes.length;
      if (bytes.length > 0) await this.#data(number, bytes);
      await this.#endFile(number);
    }
    if (found || this.#over) return;
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
  }

  async #data(id: number, data: Uint8Array): Promise<void> {
    await this.#call(Packet.encode({ type: PACKET.data, id, data }));
    this.#sent += data.length;
    this.#progress(this.#sent);
  }

  async #endFile(id: number): Promise<void> {
    this.#asked.delete(id);
    await this.#call(Packet.encode({ type: PACKET.data, id }));
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}

const TYPE: Readonly<Record<TarEntry['type'], number>> = {
  file: UNIX.file,
  link: UNIX.file,
  directory: UNIX.directory,
  symlink: UNIX.symlink,
  character: UNIX.character,
  block: UNIX.block,
  fifo: UNIX.fifo,
};

/** Archives have names as bytes, the protocol as text. */
function textOf(name: string): string {
  return Buffer.from(name, 'latin1').toString('utf8');
}

function statOf(entry: TarEntry, path: string): ValueOf<typeof Stat> {
  const target = textOf(entry.linkName);
  const linkname = entry.type === 'link' ? target.replace(/^\/+/, '') : target;
  return {
    path,
    mode: goMode(TYPE[entry.type] | (entry.mode & 0o7777)),
    uid: entry.uid,
    gid: entry.gid,
    size: entry.type === 'file' ? entry.size : 0,
    modTime: BigInt(entry.seconds) * 1_000_000_000n + BigInt(entry.nanoseconds),
    linkname,
    devMajor: entry.major,
    devMinor: entry.minor,
    xattrs: {},
  };
}
