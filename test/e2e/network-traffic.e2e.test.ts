/** kill -9 of the daemon under traffic: open connections lose nothing, and afterwards everything is where it was. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { closeFd, insideNetwork, openFd } from '../../src/kernel/namespaces.ts';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { query, told } from '../support/dns-query.ts';
import { networkFaults, networkState, untilState } from '../support/network-state.ts';
import { OtherMachine } from '../support/other-machine.ts';

let daemon: TestDaemon;
let other: OtherMachine;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
  other = await OtherMachine.connect(daemon.bridge);
}, 120_000);
afterAll(async () => {
  await other?.[Symbol.asyncDispose]();
  await daemon?.stop();
}, 120_000);

const docker = (...args: string[]) => daemon.ok('docker', args);
const networkOf = async (name: string) =>
  `/proc/${await docker('inspect', '-f', '{{.State.Pid}}', name)}/ns/net`;
const addressIn = (network: string, name: string) =>
  docker('inspect', '-f', `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, name);

function at<T>(path: string, body: () => T): T {
  const fd = openFd(path);
  try {
    return insideNetwork(fd, body);
  } finally {
    closeFd(fd);
  }
}

const CHUNK = 16 * 1024;
/** Byte number `n` of what is sent: no two places of a megabyte are alike, so that a lost or doubled piece shows. */
const byteAt = (n: number) => (n ^ (n >>> 8) ^ (n >>> 16)) & 255;

/** A server in a namespace that sends back what it gets. */
function echo(path: string, port: number): { stop(): void } {
  interface State {
    pending: Buffer[];
  }
  const drain = (socket: Bun.Socket<State>): void => {
    const { pending } = socket.data;
    for (let head = pending[0]; head; head = pending[0]) {
      const written = socket.write(head);
      if (written < head.length) {
        pending[0] = head.subarray(Math.max(0, written));
        return;
      }
      pending.shift();
    }
  };
  const server = at(path, () =>
    Bun.listen<State>({
      hostname: '0.0.0.0',
      port,
      socket: {
        open(socket) {
          socket.data = { pending: [] };
        },
        data(socket, chunk) {
          socket.data.pending.push(Buffer.from(chunk));
          drain(socket);
        },
        drain,
      },
    }),
  );
  return { stop: () => server.stop(true) };
}

/** One connection that is never idle: the next piece goes out when the last one has come back. */
class Stream {
  received = 0;
  fault = '';
  #sent = 0;
  #socket: Bun.Socket<undefined> | undefined;

  static async open(path: string, host: string, port: number): Promise<Stream> {
    const stream = new Stream();
    stream.#socket = await at(path, () =>
      Bun.connect({
        hostname: host,
        port,
        socket: {
          data: (_, chunk) => stream.#take(chunk),
          close: () => stream.#fail('the connection ended'),
          error: (_, error) => stream.#fail(String(error)),
        },
      }),
    );
    stream.#send();
    return stream;
  }

  #fail(why: string): void {
    this.fault ||= why;
  }

  #send(): void {
    const piece = Buffer.alloc(CHUNK);
    for (let i = 0; i < CHUNK; i++) piece[i] = byteAt(this.#sent + i);
    this.#sent += CHUNK;
    // A piece of this size goes into the socket's buffer whole, as none is under way.
    if (this.#socket!.write(piece) !== CHUNK) this.#fail('a piece did not fit');
  }

  #take(chunk: Uint8Array): void {
    for (const byte of chunk) {
      if (byte !== byteAt(this.received)) this.#fail(`byte ${this.received} came wrong`);
      this.received++;
    }
    // A pause, so that several streams share two processors with the rest.
    if (this.received === this.#sent && !this.fault) setTimeout(() => this.#send(), 5);
  }

  close(): void {
    this.#fail('closed');
    this.#socket?.end();
  }
}

test('kill -9 under traffic: published, between containers and outward, not a byte is lost', async () => {
  await docker('network', 'create', 'one');
  await docker('network', 'create', 'two');
  const sleep = ['busybox', 'sleep', '1000'];
  await docker('run', '-d', '--name', 'server', '--net', 'one', '-p', '8080:80', ...sleep);
  await docker('run', '-d', '--name', 'client', '--net', 'one', ...sleep);
  await docker('network', 'connect', 'two', 'client');
  await docker('run', '-d', '--name', 'third', '--net', 'two', ...sleep);
  await docker('run', '-d', '--name', 'plain', '-p', '127.0.0.1:8081:80', ...sleep);
  const [server, client, third, plain] = await Promise.all(
    ['server', 'client', 'third', 'plain'].map(networkOf),
  );
  const host = `/run/netns/${daemon.bridge}`;
  const servers = [echo(server!, 80), echo(third!, 80), echo(plain!, 80), echo(other.path, 90)];
  const ways: Array<[string, string, string, number]> = [
    ['from another machine to a published port', other.path, OtherMachine.HOST, 8080],
    ['from the host to 127.0.0.1', host, '127.0.0.1', 8080],
    ['from the host to a port of the default bridge', host, '127.0.0.1', 8081],
    ['from the host to its own address', host, OtherMachine.HOST, 8080],
    ['from a container to another', client!, await addressIn('one', 'server'), 80],
    ['from a container to another, on its second network', client!, await addressIn('two', 'third'), 80],
    ['from a container to a port of the host', plain!, OtherMachine.HOST, 8080],
    ['from a container outward', client!, OtherMachine.OWN, 90],
    ['from a container of the default bridge outward', plain!, OtherMachine.OWN, 90],
  ];
  const streams = new Map<string, Stream>();
  try {
    for (const [name, path, address, port] of ways) {
      streams.set(name, await Stream.open(path, address, port));
    }
    const counts = () => [...streams].map(([name, stream]) => [name, stream.received] as const);
    const grown = async (what: string, since: ReadonlyArray<readonly [string, number]>) =>
      until(`bytes on every way ${what}`, () =>
        since.every(([name, before]) => {
          const stream = streams.get(name)!;
          if (stream.fault) throw new Error(`${name}: ${stream.fault}`);
          return stream.received > before + 10 * CHUNK;
        }),
      );
    await grown('before', counts());
    for (let round = 0; round < 2; round++) {
      await daemon.kill9();
      await grown('while the daemon is away', counts());
      const starting = daemon.start();
      await grown('while it comes back', counts());
      await starting;
      await grown('when it is back', counts());
    }
    const total = [...streams.values()].reduce((sum, { received }) => sum + received, 0);
    console.log(`${streams.size} connections, ${(total / 1e6).toFixed(1)} MB over two kills, all in order`);
  } finally {
    for (const stream of streams.values()) stream.close();
    for (const one of servers) one.stop();
  }
  await docker('rm', '-f', 'server', 'client', 'third', 'plain');
  await docker('network', 'rm', 'one', 'two');
}, 120_000);

test('after kill -9 every endpoint, address, port and name is as it was; after rm nothing is left', async () => {
  const before = await networkState(daemon);
  const networks = Array.from({ length: 12 }, (_, index) => `net${index}`);
  for (const [index, name] of networks.entries()) {
    const six = index % 3 === 0 ? ['--ipv6', '--subnet', `fd00:${index + 1}::/64`] : [];
    const inner = index % 4 === 3 ? ['--internal'] : [];
    await docker('network', 'create', ...six, ...inner, '--subnet', `10.70.${index}.0/24`, name);
  }
  const names = Array.from({ length: 24 }, (_, index) => `c${index}`);
  const inTurn = async (body: (name: string, index: number) => Promise<unknown>) => {
    for (let from = 0; from < names.length; from += 6) {
      await Promise.all(names.slice(from, from + 6).map((name, i) => body(name, from + i)));
    }
  };
  await inTurn(async (name, index) => {
    const ports =
      index % 2 ? [] : ['-p', `${9000 + index}:80`, '-p', `127.0.0.1:${9000 + index}:53/udp`, '-P'];
    const net = ['--net', networks[index % 12]!, '--network-alias', `pair${index % 12}`];
    await docker('run', '-d', '--name', name, ...net, ...ports, 'busybox', 'sleep', '1000');
    await docker('network', 'connect', '--alias', `more${index}`, networks[(index + 5) % 12]!, name);
  });
  const paths = new Map<string, string>();
  for (const name of names) paths.set(name, await networkOf(name));
  const picture = async () => {
    const inspected = JSON.parse(await docker('inspect', ...names)) as Array<{
      Name: string;
      NetworkSettings: unknown;
      State: { Pid: number };
    }>;
    const answers = await Promise.all(
      names.map(async (name, index) => [
        told(await query(paths.get(name)!, `pair${index % 12}`)).length,
        told(await query(paths.get(name)!, `c${(index + 12) % 24}`)),
        told(await query(paths.get(name)!, `more${index}`)),
      ]),
    );
    return {
      containers: inspected.map(({ Name, NetworkSettings, State }) => ({ Name, NetworkSettings, State })),
      networks: JSON.parse(await docker('network', 'inspect', ...networks)) as unknown,
      ports: await Promise.all(names.map((name) => docker('port', name))),
      answers,
    };
  };
  const whole = await picture();
  const kernel = await networkState(daemon);
  expect(await networkFaults(daemon)).toEqual([]);
  for (let round = 0; round < 2; round++) {
    await daemon.kill9();
    await daemon.start();
    expect(await picture()).toEqual(whole);
    await untilState(daemon, kernel);
    expect(await networkFaults(daemon)).toEqual([]);
  }
  await docker('rm', '-f', ...names.slice(0, 12));
  // The rest goes while the daemon does not know them from its own start.
  await daemon.kill9();
  await daemon.start();
  await docker('rm', '-f', ...names.slice(12));
  await docker('network', 'rm', ...networks);
  await untilState(daemon, before);
}, 180_000);
