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
  });

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
