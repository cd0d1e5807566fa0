/** A DNS client that asks from inside a network namespace, and a server for tests. */
import { type Answer, type DecodedPacket, decode, encode, type RecordType } from 'dns-packet';
import { closeFd, insideNetwork, openFd } from '../../src/kernel/namespaces.ts';

export interface Asked {
  readonly type?: RecordType;
  readonly transport?: 'udp' | 'tcp';
  readonly server?: string;
  /** Milliseconds after which it is silent. */
  readonly patience?: number;
}

/** What a server says; `silent` when nothing comes, `refused` when nobody listens. */
export type Reply = 'silent' | 'refused' | DecodedPacket;

/** Asks once, without a second try, in the namespace that `path` names. */
export async function query(path: string, name: string, asked: Asked = {}): Promise<Reply> {
  const { type = 'A', transport = 'udp', server = '127.0.0.11', patience = 8000 } = asked;
  const packet = encode({
    type: 'query',
    id: Math.floor(Math.random() * 65_536),
    flags: 0x0100,
    questions: [{ type, name }],
  });
  const { promise, resolve } = Promise.withResolvers<Reply>();
  const timer = setTimeout(() => resolve('silent'), patience);
  const close = (transport === 'udp' ? askUdp : askTcp)(path, server, packet, resolve);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    await close();
  }
}

/** The data of an answer's records, or its code when there are none. */
export function told(reply: Reply): string[] | string {
  if (typeof reply === 'string') return reply;
  const data = (reply.answers ?? []).map((answer) => ('data' in answer ? String(answer.data) : answer.type));
  return data.length > 0 ? data : ((reply as { rcode?: string }).rcode ?? '');
}

function at<T>(path: string, body: () => T): T {
  const fd = openFd(path);
  try {
    return insideNetwork(fd, body);
  } finally {
    closeFd(fd);
  }
}

function askUdp(path: string, server: string, packet: Buffer, resolve: (reply: Reply) => void) {
  const opening = at(path, () =>
    Bun.udpSocket<'buffer'>({
      connect: { hostname: server, port: 53 },
      socket: {
        data: (_, data) => resolve(decode(Buffer.from(data))),
        error: () => resolve('refused'),
      },
    }),
  );
  void opening.then((socket) => socket.send(packet));
  return async () => (await opening).close();
}

function askTcp(path: string, server: string, packet: Buffer, resolve: (reply: Reply) => void) {
  let rest = Buffer.alloc(0);
  const opening = at(path, () =>
    Bun.connect({
      hostname: server,
      port: 53,
      socket: {
        open: (socket) =>
          void socket.write(Buffer.concat([Buffer.from([packet.length >> 8, packet.length & 255]), packet])),
        data(_, chunk) {
          rest = Buffer.concat([rest, chunk]);
          if (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) resolve(decode(rest.subarray(2)));
        },
        connectError: () => resolve('refused'),
        error: () => resolve('refused'),
      },
    }),
  );
  opening.catch(() => resolve('refused'));
  return async () => void (await opening.catch(() => undefined))?.end();
}

/** A server that knows some names, over UDP and TCP, in a namespace. */
export class FakeServer implements Disposable {
  /** Names that were asked, with the client's address, in order. */
  readonly asked: string[] = [];
  readonly #records: Readonly<Record<string, string>>;
  readonly #close: Array<() => void> = [];

  private constructor(records: Readonly<Record<string, string>>) {
    this.#records = records;
  }

  /** `records`: IPv4 addresses by name; an empty one: no answer is given at all. Others do not exist. */
  static async listen(
    path: string,
    address: string,
    records: Readonly<Record<string, string>>,
  ): Promise<FakeServer> {
    const server = new FakeServer(records);
    const udp = at(path, () =>
      Bun.udpSocket({
        hostname: address,
        port: 53,
        socket: {
          data(socket, packet, port, from) {
            const answer = server.#answer(Buffer.from(packet), from);
            if (answer) socket.send(answer, port, from);
          },
        },
      }),
    );
    const tcp = at(path, () =>
      Bun.listen({
        hostname: address,
        port: 53,
        socket: {
          data(socket, chunk) {
            const answer = server.#answer(Buffer.from(chunk).subarray(2), `tcp ${socket.remoteAddress}`);
            if (!answer) return;
            const length = Buffer.alloc(2);
            length.writeUInt16BE(answer.length);
            socket.write(Buffer.concat([length, answer]));
          },
        },
      }),
    );
    server.#close.push(
      () => tcp.stop(true),
      () => void udp.then((socket) => socket.close()),
    );
    await udp;
    return server;
  }

  #answer(packet: Buffer, from: string): Buffer | undefined {
    const { id = 0, questions = [] } = decode(packet);
    const [question] = questions;
    if (!question) return undefined;
    this.asked.push(`${question.name} ${from}`);
    const data = this.#records[question.name];
    if (data === '') return undefined;
    const isThere = data !== undefined && question.type === 'A';
    const answers: Answer[] = isThere ? [{ type: 'A', name: question.name, ttl: 60, data }] : [];
    const flags = 0x8180 | (data === undefined ? 3 : 0);
    return encode({ type: 'response', id, flags, questions, answers });
  }

  [Symbol.dispose](): void {
    for (const close of this.#close.splice(0)) close();
  }
}
