import type { udp } from 'bun';
import type { Semaphore } from '../../base/semaphore.ts';
import { insideNetwork } from '../../kernel/namespaces.ts';

/** Where a server is asked from: the network namespace of this descriptor; undefined: the daemon's own. */
export type Place = number | undefined;

const PORT = 53;
/** Milliseconds for one server; the C library gives up after 5,000 for all. */
const PATIENCE = 2000;
/** resolv.conf(5) takes three servers. */
const SERVERS = 3;
const RCODE = 0x0f;
const SERVFAIL = 2;
const REFUSED = 5;

/**
 * Asks the servers one after another, each by a socket of its own with a port of the kernel's choice and another id
 * than the client's, so that answers cannot be guessed. Returns the first one that is not "failed" or "refused",
 * else the last such; undefined when none answered. `sockets` bounds how many of these sockets are open;
 * `place` is asked for each, and throws when there is none any more.
 */
export async function askUpstream(
  query: Uint8Array,
  transport: 'udp' | 'tcp',
  servers: readonly string[],
  place: () => Place,
  sockets: Semaphore,
): Promise<Buffer | undefined> {
  const id = crypto.getRandomValues(new Uint8Array(2));
  const asked = Buffer.from(query);
  asked.set(id, 0);
  let last: Buffer | undefined;
  for (const server of servers.slice(0, SERVERS)) {
    const ask = transport === 'udp' ? askUdp : askTcp;
    const answer = await sockets
      .run(undefined, async () => ask(server, asked, place()))
      .catch(() => undefined);
    if (!answer) continue;
    answer.set(query.subarray(0, 2), 0);
    last = answer;
    const rcode = answer.readUInt8(3) & RCODE;
    if (rcode !== SERVFAIL && rcode !== REFUSED) return answer;
  }
  return last;
}

function at<T>(place: Place, body: () => T): T {
  return place === undefined ? body() : insideNetwork(place, body);
}

/** True for an answer to this query: its id, the answer bit, and the same first question. */
function answers(answer: Buffer, query: Buffer): boolean {
  if (answer.length < 12 || answer.readUInt16BE(0) !== query.readUInt16BE(0)) return false;
  if ((answer.readUInt8(2) & 0x80) === 0) return false;
  // Servers may leave the question out of an error; where there is one, it has to be ours, in any case of letters.
  if (answer.readUInt16BE(4) === 0) return true;
  const end = endOfQuestion(query);
  const text = (bytes: Buffer): string => bytes.toString('latin1', 12, end).toLowerCase();
  return text(answer) === text(query);
}

function endOfQuestion(packet: Buffer): number {
  let offset = 12;
  while (offset < packet.length && packet[offset] !== 0) offset += (packet[offset] ?? 0) + 1;
  return offset + 5;
}

async function askUdp(server: string, query: Buffer, place: Place): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const opening = at(place, () =>
    Bun.udpSocket<'buffer'>({
      connect: { hostname: server, port: PORT },
      socket: {
        data(_socket, data) {
          const answer = Buffer.from(data);
          if (answers(answer, query)) resolve(answer);
        },
        // Nobody listens there.
        error: () => resolve(undefined),
      },
    }),
  );
  const timer = setTimeout(() => resolve(undefined), PATIENCE);
  let socket: udp.ConnectedSocket<'buffer'> | undefined;
  try {
    socket = await opening;
    socket.send(query);
    return await promise;
  } finally {
    clearTimeout(timer);
    socket?.close();
  }
}

async function askTcp(server: string, query: Buffer, place: Place): Promise<Buffer | undefined> {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  let rest = Buffer.alloc(0);
  const opening = at(place, () =>
    Bun.connect({
      hostname: server,
      port: PORT,
      socket: {
        open(socket) {
          const length = Buffer.alloc(2);
          length.writeUInt16BE(query.length);
          socket.write(Buffer.concat([length, query]));
        },
        data(_socket, chunk) {
          rest = Buffer.concat([rest, chunk]);
          if (rest.length < 2 || rest.length < 2 + rest.readUInt16BE(0)) return;
          const answer = rest.subarray(2, 2 + rest.readUInt16BE(0));
          resolve(answers(answer, query) ? answer : undefined);
        },
        close: () => resolve(undefined),
        error: () => resolve(undefined),
      },
    }),
  );
  // A connection that never comes about rejects long after everybody has gone.
  opening.then(
    (socket) => void promise.finally(() => socket.end()),
    () => resolve(undefined),
  );
  const timer = setTimeout(() => resolve(undefined), PATIENCE);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
  }
}
