import { closeFd } from '../../kernel/namespaces.ts';
import { Ready, type Registration, watchDescriptor } from '../../kernel/reactor.ts';
import { connectSeqpacket, receivePacket, sendPacket, shutdownSending } from '../../kernel/seqpacket.ts';
import type { Attachment } from '../runtime.ts';
import { type AttachmentPort, type OutputStream, QueuedAttachment } from './attachment.ts';

/** How long a consumer with a full queue may hold the process up. */
export const STALL_PATIENCE_MS = 3000;
/** Packets taken in one turn of the event loop, so that one loud process does not starve the rest. */
const BUDGET = 128;
/** conmon reads at most 32 KiB a packet from its clients and cuts off what is longer. */
const MAX_PACKET = 16384;
/** First byte of conmon's packets: which of the process's descriptors the data came from. */
const STDOUT = 2;
const STDERR = 3;

export interface HubOptions {
  /** Directory of conmon's `attach` socket. */
  readonly directory: string;
  /** A client may end the process's stdin. */
  readonly inputCloses: boolean;
  /**
   * conmon ends the process's stdin when any of its clients disconnects (it runs without --leave-stdin-open), so
   * the connection is kept for as long as stdin is to stay open.
   */
  readonly keepConnected: boolean;
  readonly onClosed: () => void;
}

/**
 * The daemon's one connection to the stdio of a process, shared by all that are attached to it. conmon writes to
 * its clients one after another and waits for each, so one connection costs the process least, and ending stdin
 * is in our hand. A consumer whose queue is full makes the process wait, for three seconds at most.
 */
export class StdioHub {
  readonly #options: HubOptions;
  readonly #fd: number;
  readonly #registration: Registration;
  readonly #attachments = new Set<QueuedAttachment>();
  readonly #port: AttachmentPort;
  #stalledSince: Timer | undefined;
  #reading = true;
  #writable: { promise: Promise<void>; resolve: () => void } | undefined;
  #writes: Promise<void> = Promise.resolve();
  #inputClosed = false;
  #closed = false;

  /** Connects. Throws a SyscallError (ENOENT, ECONNREFUSED) when the monitor has gone. */
  constructor(options: HubOptions) {
    this.#options = options;
    this.#fd = connectSeqpacket(options.directory, 'attach');
    this.#registration = watchDescriptor(this.#fd, Ready.IN, (events) => this.#ready(events));
    this.#port = {
      write: (chunk) => this.#write(chunk),
      closeInput: () => this.#closeInput(),
      drained: () => this.#unstall(),
      removed: (attachment) => this.#remove(attachment),
    };
  }

  attach(): Attachment {
    const attachment = new QueuedAttachment(this.#port);
    this.#attachments.add(attachment);
    return attachment;
  }

  #ready(events: number): boolean {
    if (events & Ready.OUT) this.#becameWritable();
    if (!this.#reading || this.#closed) return false;
    for (let taken = 0; taken < BUDGET; taken += 1) {
      const packet = receivePacket(this.#fd);
      if (packet === 'empty') return false;
      if (packet === 'eof') {
        this.#finish();
        return false;
      }
      const stream: OutputStream | undefined =
        packet[0] === STDOUT ? 'stdout' : packet[0] === STDERR ? 'stderr' : undefined;
      if (stream === undefined) continue;
      const chunk = packet.subarray(1);
      let full = false;
      for (const attachment of this.#attachments) {
        attachment.push(stream, chunk);
        full ||= attachment.full;
      }
      if (this.#closed) return false;
      if (full) {
        this.#stall();
        return false;
      }
    }
    return true;
  }

  /** Stops reading; conmon and then the process come to a halt. */
  #stall(): void {
    this.#reading = false;
    this.#applyEvents();
    this.#stalledSince = setTimeout(() => {
      this.#stalledSince = undefined;
      for (const attachment of [...this.#attachments]) if (attachment.full) attachment.overrun();
      this.#unstall();
    }, STALL_PATIENCE_MS);
  }

  #unstall(): void {
    if (this.#reading || this.#closed) return;
    for (const attachment of this.#attachments) if (attachment.full) return;
    clearTimeout(this.#stalledSince);
    this.#stalledSince = undefined;
    this.#reading = true;
    this.#applyEvents();
  }

  #applyEvents(): void {
    if (this.#closed) return;
    this.#registration.setEvents((this.#reading ? Ready.IN : 0) | (this.#writable ? Ready.OUT : 0));
  }

  #becameWritable(): void {
    const waiting = this.#writable;
    this.#writable = undefined;
    this.#applyEvents();
    waiting?.resolve();
  }

  #write(chunk: Uint8Array): Promise<void> {
    this.#writes = this.#writes.then(async () => {
      for (let at = 0; at < chunk.length && !this.#inputClosed && !this.#closed; ) {
        const packet = chunk.subarray(at, at + MAX_PACKET);
        const result = sendPacket(this.#fd, packet);
        if (result === 'gone') return;
        if (result === 'sent') {
          at += packet.length;
          continue;
        }
        this.#writable ??= Promise.withResolvers<void>();
        this.#applyEvents();
        await this.#writable.promise;
      }
    });
    return this.#writes;
  }

  #closeInput(): Promise<void> {
    if (!this.#options.inputCloses) return Promise.resolve();
    this.#writes = this.#writes.then(() => {
      if (this.#inputClosed || this.#closed) return;
      this.#inputClosed = true;
      shutdownSending(this.#fd);
      this.#closeIfUnused();
    });
    return this.#writes;
  }

  #remove(attachment: QueuedAttachment): void {
    this.#attachments.delete(attachment);
    this.#unstall();
    this.#closeIfUnused();
  }

  #closeIfUnused(): void {
    if (this.#attachments.size > 0) return;
    if (this.#options.keepConnected && !this.#inputClosed) return;
    // After the writes under way, so that what a client sent last still arrives.
    this.#writes = this.#writes.then(() => {
      if (this.#attachments.size === 0) this.close();
    });
  }

  #finish(): void {
    this.close();
    for (const attachment of [...this.#attachments]) attachment.finish();
  }

  /** Ends the connection; attachments get what is queued and then the end. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#stalledSince);
    this.#registration.remove();
    closeFd(this.#fd);
    this.#writable?.resolve();
    this.#options.onClosed();
  }
}
