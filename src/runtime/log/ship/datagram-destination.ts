import { createSocket, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { TareError } from '../../../base/errors.ts';
import { closeFd } from '../../../kernel/namespaces.ts';
import { connectDatagram, sendPacket } from '../../../kernel/seqpacket.ts';
import type { LogDestination } from './ship.ts';

/** Datagrams by UDP: nobody says whether they arrive. The name is looked up again after a failure. */
export class UdpDestination implements LogDestination {
  readonly doubt = 0;
  readonly #host: string;
  readonly #port: number;
  #open: { socket: Socket; address: string } | undefined;

  constructor(host: string, port: number) {
    this.#host = host;
    this.#port = port;
  }

  onBroken(): void {}

  async send(messages: readonly Uint8Array[]): Promise<void> {
    this.#open ??= await this.#connect();
    const { socket, address } = this.#open;
    for (const message of messages) {
      await new Promise<void>((resolve, reject) => {
        socket.send(message, this.#port, address, (error) => {
          if (error && (error as NodeJS.ErrnoException).code !== 'ECONNREFUSED') reject(error);
          else resolve();
        });
      });
    }
  }

  async #connect(): Promise<{ socket: Socket; address: string }> {
    const { address, family } = await lookup(this.#host || '127.0.0.1');
    const socket = createSocket(family === 6 ? 'udp6' : 'udp4');
    socket.on('error', () => this.close());
    return { socket, address };
  }

  close(): void {
    this.#open?.socket.close();
    this.#open = undefined;
  }
}

/** Milliseconds between two tries at a receiver whose queue is full. */
const FULL_PAUSE = 5;

/** Datagrams to a unix socket (journald, /dev/log): the receiver's queue makes the sender wait, so nothing is lost. */
export class UnixDatagramDestination implements LogDestination {
  readonly doubt = 0;
  readonly #path: string;
  #fd: number | undefined;
  #closed = false;

  constructor(path: string) {
    this.#path = path;
  }

  onBroken(): void {}

  async send(messages: readonly Uint8Array[]): Promise<void> {
    this.#fd ??= connectDatagram(this.#path);
    for (const message of messages) {
      for (;;) {
        if (this.#closed || this.#fd === undefined) return;
        const result = sendPacket(this.#fd, message);
        if (result === 'sent') break;
        if (result === 'gone') {
          this.#drop();
          throw new TareError('unavailable', `log destination ${this.#path}: nobody listens there`);
        }
        await Bun.sleep(FULL_PAUSE);
      }
    }
  }

  #drop(): void {
    if (this.#fd !== undefined) closeFd(this.#fd);
    this.#fd = undefined;
  }

  close(): void {
    this.#closed = true;
    this.#drop();
  }
}
