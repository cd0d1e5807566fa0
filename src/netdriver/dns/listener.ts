import type { Socket, TCPSocketListener, udp } from 'bun';
import { insideNetwork } from '../../kernel/namespaces.ts';
import { redirectedPorts, redirectPorts } from '../../kernel/netlink/nft-port-redirect.ts';
import { NetlinkProtocol, NetlinkSocket } from '../../kernel/netlink/socket.ts';
import type { NetworkNamespace } from '../netdriver.ts';
import { RESOLVER_ADDRESS } from './dns.ts';

/** Turns a query into its answer, at once where it can; undefined: none is given. It must not throw at once. */
export type Answerer = (
  query: Uint8Array,
  transport: 'udp' | 'tcp',
) => Uint8Array | undefined | Promise<Uint8Array | undefined>;

const PORT = 53;
/** Name of the table in the container's namespace. */
const TABLE = 'tare-dns';
/** A client that keeps a TCP connection open without asking is let go. Seconds. */
const TCP_IDLE = 10;
/** Connections of one container at once: each is a descriptor of the daemon's. */
const TCP_CONNECTIONS = 200;
/** What a client may have sent and not yet got answered. Bytes. */
const TCP_BACKLOG = 256 * 1024;

/** The sockets that answer inside one container's namespace. */
export class DnsListener {
  readonly #udp: udp.Socket<'buffer'>;
  readonly #tcp: TCPSocketListener<TcpState>;

  private constructor(udpSocket: udp.Socket<'buffer'>, tcp: TCPSocketListener<TcpState>) {
    this.#udp = udpSocket;
    this.#tcp = tcp;
  }

  /** Listens at 127.0.0.11 in `ns` and leads port 53 there. Throws what the kernel says. */
  static async open(ns: NetworkNamespace, answer: Answerer): Promise<DnsListener> {
    const netlink = insideNetwork(ns.fd, () => NetlinkSocket.open(NetlinkProtocol.NETFILTER));
    try {
      // After a restart of the daemon the rules are there: behind the same ports, nothing has to change.
      const before = redirectedPorts(netlink, TABLE);
      const again = before && (await DnsListener.#bind(ns, answer, before).catch(() => undefined));
      if (again) return again;
      const listener = await DnsListener.#bind(ns, answer, { udp: 0, tcp: 0 });
      try {
        const to = { udp: listener.#udp.port, tcp: listener.#tcp.port };
        redirectPorts(netlink, TABLE, { address: RESOLVER_ADDRESS, from: PORT, to });
      } catch (error) {
        listener.close();
        throw error;
      }
      return listener;
    } finally {
      netlink.close();
    }
  }

  /** 0: a port of the kernel's choice. */
  static async #bind(ns: NetworkNamespace, answer: Answerer, ports: Ports): Promise<DnsListener> {
    // Both calls bind before they return, so that one stay in the namespace is enough.
    const { udpSocket, tcp } = insideNetwork(ns.fd, () => ({
      tcp: listenTcp(answer, ports.tcp),
      udpSocket: listenUdp(answer, ports.udp),
    }));
    try {
      return new DnsListener(await udpSocket, tcp);
    } catch (error) {
      tcp.stop(true);
      throw error;
    }
  }

  close(): void {
    this.#udp.close();
    this.#tcp.stop(true);
  }
}

interface Ports {
  readonly udp: number;
  readonly tcp: number;
}

function listenUdp(answer: Answerer, port: number): Promise<udp.Socket<'buffer'>> {
  return Bun.udpSocket({
    hostname: RESOLVER_ADDRESS,
    port,
    socket: {
      data(socket, query, from, address) {
        const reply = answer(query, 'udp');
        const send = (bytes: Uint8Array | undefined): void => {
          if (!bytes || socket.closed) return;
          try {
            socket.send(bytes, from, address);
          } catch {
            // The container's own firewall may forbid it: that is nobody's business but the container's.
          }
        };
        if (reply instanceof Promise) reply.then(send, () => {});
        else send(reply);
      },
      error: () => {},
    },
  });
}

interface TcpState {
  /** What has come of a message that is not whole yet. */
  rest: Buffer;
}

/** Messages with two bytes of length before each (RFC 1035 section 4.2.2). */
function listenTcp(answer: Answerer, port: number): TCPSocketListener<TcpState> {
  let connections = 0;
  return Bun.listen<TcpState>({
    hostname: RESOLVER_ADDRESS,
    port,
    socket: {
      open(socket) {
        socket.data = { rest: Buffer.alloc(0) };
        if (++connections > TCP_CONNECTIONS) {
          socket.end();
          return;
        }
        socket.timeout(TCP_IDLE);
      },
      data(socket, chunk) {
        socket.timeout(TCP_IDLE);
        let rest = Buffer.concat([socket.data.rest, chunk]);
        if (rest.length > TCP_BACKLOG) {
          socket.end();
          return;
        }
        while (rest.length >= 2 && rest.length >= 2 + rest.readUInt16BE(0)) {
          const end = 2 + rest.readUInt16BE(0);
          void reply(socket, rest.subarray(2, end), answer).catch(() => {});
          rest = rest.subarray(end);
        }
        socket.data.rest = Buffer.from(rest);
      },
      close() {
        connections--;
      },
      timeout: (socket) => void socket.end(),
      error: () => {},
    },
  });
}

async function reply(socket: Socket<TcpState>, query: Uint8Array, answer: Answerer): Promise<void> {
  const bytes = await Promise.resolve(answer(Buffer.from(query), 'tcp')).catch(() => undefined);
  if (!bytes) return;
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  socket.write(Buffer.concat([length, bytes]));
}
