import { afterEach, describe, expect, test } from 'bun:test';
import { decode, encode } from 'dns-packet';
import { silentLogger } from '../../base/log.ts';
import { insideNetwork } from '../../kernel/namespaces.ts';
import { NetlinkProtocol, NetlinkSocket } from '../../kernel/netlink/socket.ts';
import { BridgeGroups } from '../bridge-groups.ts';
import { HeldNamespaces } from '../namespaces.ts';
import type { NetworkNamespace } from '../netdriver.ts';
import type { NameSource } from './dns.ts';
import { Resolver } from './resolver.ts';

const SOURCE: NameSource = {
  version: 0,
  addresses: (_, name) => (name === 'db' ? { ipv4: ['10.0.0.2'], ipv6: [] } : undefined),
  nameOf: () => undefined,
};
const closers: Array<() => void> = [];
afterEach(() => {
  for (const close of closers.splice(0).reverse()) close();
});

/** A fresh namespace, with loopback up. */
async function namespace(): Promise<NetworkNamespace> {
  const route = NetlinkSocket.open(NetlinkProtocol.ROUTE);
  const pool = new HeldNamespaces({ route, bridges: new BridgeGroups({ route }), log: silentLogger });
  const ns = await pool.take(undefined);
  closers.push(
    () => route.close(),
    () => ns.close(),
  );
  return ns;
}

async function resolver(ns: NetworkNamespace, servers: string[] = [], internal = false): Promise<Resolver> {
  const made = new Resolver({ source: SOURCE, hostServers: () => [], log: silentLogger });
  closers.push(() => made.close());
  await made.serve('c', ns, { servers, internal });
  return made;
}

/** Asks 127.0.0.11:53 from inside by UDP; undefined when nobody answers. */
async function ask(ns: NetworkNamespace, name: string, server = '127.0.0.11') {
  const { promise, resolve } = Promise.withResolvers<Buffer | undefined>();
  const socket = await insideNetwork(ns.fd, () =>
    Bun.udpSocket({
      connect: { hostname: server, port: 53 },
      socket: { data: (_, data) => resolve(Buffer.from(data)), error: () => resolve(undefined) },
    }),
  );
  socket.send(encode({ type: 'query', id: 1, flags: 256, questions: [{ type: 'A', name }] }));
  const timer = setTimeout(() => resolve(undefined), 3000);
  const answer = await promise;
  clearTimeout(timer);
  socket.close();
  return answer && decode(answer);
}

async function askTcp(ns: NetworkNamespace, name: string) {
  const { promise, resolve } = Promise.withResolvers<Buffer>();
  const query = encode({ type: 'query', id: 1, flags: 256, questions: [{ type: 'A', name }] });
  const socket = await insideNetwork(ns.fd, () =>
    Bun.connect({
      hostname: '127.0.0.11',
      port: 53,
      socket: {
        open: (open) => void open.write(Buffer.concat([Buffer.from([0, query.length]), query])),
        data: (_, data) => resolve(Buffer.from(data.subarray(2))),
      },
    }),
  );
  const answer = await promise;
  socket.end();
  return decode(answer);
}

/** A server of the container's own, on a loopback address inside. */
async function serverInside(ns: NetworkNamespace, address: string): Promise<void> {
  const socket = await insideNetwork(ns.fd, () =>
    Bun.udpSocket({
      hostname: address,
      port: 53,
      socket: {
        data(own, query, port, from) {
          const { id, questions } = decode(Buffer.from(query));
          const [question] = questions ?? [];
          const name = question?.name ?? '';
          if (name === 'mute.test') return;
          own.send(
            encode({
              type: 'response',
              id: id ?? 0,
              questions: questions ?? [],
              answers: [{ type: 'A', name, ttl: 60, data: '192.0.2.1' }],
            }),
            port,
            from,
          );
        },
      },
    }),
  );
  closers.push(() => socket.close());
}

describe('Resolver', () => {
  test('answers at 127.0.0.11:53 over UDP and TCP, and leaves port 53 free for the container', async () => {
    const ns = await namespace();
    await resolver(ns);
    expect((await ask(ns, 'db'))?.answers).toMatchObject([{ data: '10.0.0.2' }]);
    expect((await askTcp(ns, 'db')).answers).toMatchObject([{ data: '10.0.0.2' }]);
    await serverInside(ns, '0.0.0.0');
    expect((await ask(ns, 'db'))?.answers).toMatchObject([{ data: '10.0.0.2' }]);
    expect((await ask(ns, 'other.test', '127.0.0.1'))?.answers).toMatchObject([{ data: '192.0.2.1' }]);
  });

  test('asks the container’s own servers from its namespace, the next one when one is silent', async () => {
    const ns = await namespace();
    await serverInside(ns, '127.0.0.5');
    await resolver(ns, ['127.0.0.4', '127.0.0.5']);
    expect((await ask(ns, 'example.test'))?.answers).toMatchObject([{ data: '192.0.2.1' }]);
    expect(await ask(ns, 'db')).toMatchObject({ answers: [{ data: '10.0.0.2' }] });
  });

  test('says "failed" when there is no server, or no way out, and goes on answering names', async () => {
    const ns = await namespace();
    const made = await resolver(ns);
    expect(await ask(ns, 'example.test')).toMatchObject({ rcode: 'SERVFAIL' });
    await made.serve('c', ns, { servers: ['127.0.0.9'], internal: true });
    expect(await ask(ns, 'example.test')).toMatchObject({ rcode: 'SERVFAIL' });
    expect((await ask(ns, 'db'))?.answers).toHaveLength(1);
    made.stop('c');
    expect(await ask(ns, 'db')).toBeUndefined();
  });

  test('comes back on the ports that the rules name; where they are taken, on others', async () => {
    const ns = await namespace();
    const rules = () =>
      Bun.spawnSync([
        'nsenter',
        `--net=${ns.path}`,
        'nft',
        'list',
        'table',
        'ip',
        'tare-dns',
      ]).stdout.toString();
    (await resolver(ns)).close();
    const first = rules();
    (await resolver(ns)).close();
    expect(rules()).toBe(first);
    for (const protocol of ['udp', 'tcp']) {
      const taken = Number(new RegExp(`${protocol} dport set (\\d+)`).exec(rules())?.[1]);
      const squatter = await insideNetwork(ns.fd, () =>
        protocol === 'udp'
          ? Bun.udpSocket({ hostname: '127.0.0.11', port: taken })
          : Bun.listen({ hostname: '127.0.0.11', port: taken, socket: { data() {} } }),
      );
      const made = await resolver(ns);
      expect(rules()).not.toContain(`${protocol} dport set ${taken}`);
      expect((await ask(ns, 'db'))?.answers).toHaveLength(1);
      expect((await askTcp(ns, 'db')).answers).toHaveLength(1);
      if ('stop' in squatter) squatter.stop(true);
      else squatter.close();
      made.close();
    }
  }, 60_000);

  test('malformed, oversized and half-sent messages, by UDP and TCP, do not keep it from answering', async () => {
    const ns = await namespace();
    await resolver(ns);
    const udp = await insideNetwork(ns.fd, () =>
      Bun.udpSocket({ connect: { hostname: '127.0.0.11', port: 53 } }),
    );
    const good = encode({ type: 'query', id: 1, flags: 256, questions: [{ type: 'A', name: 'db' }] });
    for (let round = 0; round < 300; round++) {
      const bytes = Buffer.from(crypto.getRandomValues(new Uint8Array(12 + ((round * 37) % 1400))));
      // A third of them look like a question, a third are a good one that is cut or changed at one place.
      if (round % 3 === 1) bytes.set(good.subarray(2, 12), 2);
      if (round % 3 === 2) {
        const changed = Buffer.from(good);
        changed[round % good.length] = round & 255;
        udp.send(changed.subarray(0, 1 + (round % good.length)));
      }
      udp.send(bytes);
    }
    udp.send(Buffer.alloc(65_000, 0xc0));
    udp.close();
    const connect = () =>
      insideNetwork(ns.fd, () =>
        Bun.connect({ hostname: '127.0.0.11', port: 53, socket: { data() {}, error() {} } }),
      );
    const open = await Promise.all(Array.from({ length: 30 }, connect));
    closers.push(() => {
      for (const socket of open) socket.end();
    });
    for (const [index, socket] of open.entries()) {
      // The length of a message that never comes whole, an empty one, garbage, and nothing at all.
      if (index % 4 === 0) socket.write(Buffer.concat([Buffer.from([0xff, 0xff]), Buffer.alloc(1000, 0xc0)]));
      if (index % 4 === 1) socket.write(Buffer.from([0, 0, 0, 1, 7]));
      if (index % 4 === 2)
        socket.write(Buffer.concat([Buffer.from([0, 200]), crypto.getRandomValues(new Uint8Array(200))]));
    }
    expect((await ask(ns, 'db'))?.answers).toMatchObject([{ data: '10.0.0.2' }]);
    expect((await askTcp(ns, 'db')).answers).toMatchObject([{ data: '10.0.0.2' }]);
  }, 60_000);

  test('of an upstream server only the answer to this question is taken, and only from that server', async () => {
    const ns = await namespace();
    const strangers: string[] = [];
    const socket = await insideNetwork(ns.fd, () =>
      Bun.udpSocket({
        hostname: '127.0.0.5',
        port: 53,
        socket: {
          async data(own, query, port, from) {
            const asked = decode(Buffer.from(query));
            const name = asked.questions?.[0]?.name ?? '';
            const answer = (id: number, of: string, data: string) =>
              encode({
                type: 'response',
                id,
                questions: [{ type: 'A', name: of }],
                answers: [{ type: 'A', name: of, ttl: 60, data }],
              });
            const id = asked.id ?? 0;
            // Another id, another question, a question instead of an answer, scraps, another server: all too early.
            own.send(answer(id ^ 1, name, '192.0.2.66'), port, from);
            own.send(answer(id, 'evil.test', '192.0.2.66'), port, from);
            own.send(Buffer.from(query), port, from);
            own.send(Buffer.from(query).subarray(0, 7), port, from);
            const stranger = await insideNetwork(ns.fd, () =>
              Bun.udpSocket({ hostname: '127.0.0.6', port: 53 }),
            );
            stranger.send(answer(id, name, '192.0.2.66'), port, from);
            strangers.push(name);
            stranger.close();
            own.send(answer(id, name, '192.0.2.1'), port, from);
          },
        },
      }),
    );
    closers.push(() => socket.close());
    await resolver(ns, ['127.0.0.5']);
    for (const name of ['one.test', 'two.test']) {
      expect((await ask(ns, name))?.answers).toMatchObject([{ name, data: '192.0.2.1' }]);
    }
    expect(strangers).toEqual(['one.test', 'two.test']);
  });

  test('ten thousand questions at once, known and unknown ones, each get their own answer', async () => {
    const ns = await namespace();
    await resolver(ns, [], true);
    const wanted = new Map<number, string>();
    const wrong: string[] = [];
    const { promise, resolve } = Promise.withResolvers<void>();
    const socket = await insideNetwork(ns.fd, () =>
      Bun.udpSocket({
        connect: { hostname: '127.0.0.11', port: 53 },
        socket: {
          data(_, bytes) {
            const { id = 0, questions = [], answers = [], ...rest } = decode(Buffer.from(bytes));
            const name = questions[0]?.name ?? '';
            const expected = name === 'db' ? '10.0.0.2' : 'SERVFAIL';
            const said =
              answers[0] && 'data' in answers[0] ? answers[0].data : (rest as { rcode?: string }).rcode;
            if (wanted.get(id) !== name || said !== expected) wrong.push(`${id} ${name} ${said}`);
            wanted.delete(id);
            if (wanted.size === 0) resolve();
          },
        },
      }),
    );
    closers.push(() => socket.close());
    const send = (id: number) => {
      const name = wanted.get(id) ?? '';
      socket.send(encode({ type: 'query', id, flags: 256, questions: [{ type: 'A', name }] }));
    };
    for (let id = 0; id < 10_000; id++) {
      wanted.set(id, id % 3 === 0 ? `n${id}.test` : 'db');
      send(id);
      // So that the socket's buffer, which is of the kernel's size, is not what is tried here.
      if (id % 50 === 0) await Bun.sleep(0);
    }
    const again = setInterval(() => [...wanted.keys()].forEach(send), 1000);
    await promise.finally(() => clearInterval(again));
    expect(wrong).toEqual([]);
  }, 60_000);

  test('a container that asks a silent server without end does not keep others from theirs', async () => {
    const [greedy, modest] = [await namespace(), await namespace()];
    await serverInside(greedy, '127.0.0.5');
    await serverInside(modest, '127.0.0.5');
    const made = await resolver(greedy, ['127.0.0.5']);
    await made.serve('d', modest, { servers: ['127.0.0.5'], internal: false });
    const flood = await insideNetwork(greedy.fd, () =>
      Bun.udpSocket({ connect: { hostname: '127.0.0.11', port: 53 } }),
    );
    closers.push(() => flood.close());
    for (let id = 0; id < 3000; id++) {
      flood.send(encode({ type: 'query', id, flags: 256, questions: [{ type: 'A', name: 'mute.test' }] }));
      if (id % 50 === 0) await Bun.sleep(0);
    }
    expect((await ask(modest, 'other.test'))?.answers).toMatchObject([{ data: '192.0.2.1' }]);
  }, 60_000);

  test('a container that forbids itself the answers troubles nobody but itself', async () => {
    const ns = await namespace();
    await resolver(ns);
    const nft = (...rule: string[]) =>
      Bun.spawnSync(['nsenter', `--net=${ns.path}`, 'nft', ...rule]).exitCode;
    expect(nft('add', 'table', 'ip', 'own')).toBe(0);
    expect(nft('add', 'chain', 'ip', 'own', 'out', '{ type filter hook output priority 0; }')).toBe(0);
    expect(nft('add', 'rule', 'ip', 'own', 'out', 'ip', 'saddr', '127.0.0.11', 'drop')).toBe(0);
    // What is thrown where nobody catches it fails this test.
    expect(await ask(ns, 'db')).toBeUndefined();
    expect(nft('delete', 'table', 'ip', 'own')).toBe(0);
    expect((await ask(ns, 'db'))?.answers).toHaveLength(1);
  }, 60_000);

  test('connections that a container hoards are closed above a number, and come again when some are gone', async () => {
    const ns = await namespace();
    await resolver(ns);
    let ended = 0;
    const hoard = () =>
      insideNetwork(ns.fd, () =>
        Bun.connect({
          hostname: '127.0.0.11',
          port: 53,
          socket: {
            data() {},
            error() {},
            end: () => void ended++,
          },
        }),
      );
    const sockets: Awaited<ReturnType<typeof hoard>>[] = [];
    for (let i = 0; i < 300; i++) sockets.push(await hoard());
    while (ended < 100) await Bun.sleep(10);
    expect(ended).toBe(100);
    for (const socket of sockets) socket.end();
    for (;;) {
      const answer = await Promise.race([askTcp(ns, 'db'), Bun.sleep(300)]);
      if (answer) break;
    }
  }, 60_000);

  test('while it is away nobody says so, and a client that waits is answered when it comes back', async () => {
    const ns = await namespace();
    (await resolver(ns)).close();
    let refusals = 0;
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    const socket = await insideNetwork(ns.fd, () =>
      Bun.udpSocket({
        connect: { hostname: '127.0.0.11', port: 53 },
        socket: {
          data: (_, data) => resolve(Buffer.from(data)),
          error: () => void refusals++,
        },
      }),
    );
    try {
      const query = encode({ type: 'query', id: 1, flags: 256, questions: [{ type: 'A', name: 'db' }] });
      for (let i = 0; i < 3; i++) {
        socket.send(query);
        await Bun.sleep(50);
      }
      await resolver(ns);
      socket.send(query);
      expect(decode(await promise).answers).toMatchObject([{ data: '10.0.0.2' }]);
      // ECONNREFUSED makes the C library give up.
      expect(refusals).toBe(0);
    } finally {
      socket.close();
    }
  });
});
