/** kill -9 of the daemon at any moment of what changes networks: the next start makes it whole, rm leaves nothing. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { query, told } from '../support/dns-query.ts';
import { networkFaults, networkState, untilState } from '../support/network-state.ts';

const SEED = Number(process.env.TARE_CRASH_SEED ?? Date.now() % 1_000_000);
/** Kills per kind of request. */
const ROUNDS = Number(process.env.TARE_CRASH_ROUNDS ?? 2);

let daemon: TestDaemon;
let clean: string[];
/** A small generator of pseudo-random numbers below 1 (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
const random = generator(SEED);

beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
  await docker('network', 'create', '--ipv6', '--subnet', 'fd00:c::/64', '--subnet', '10.95.0.0/24', 'warm');
  await docker('run', '--rm', '--net', 'warm', '-p', '8000:80', 'busybox', 'true');
  await docker('network', 'rm', 'warm');
  clean = await settled();
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);
afterEach(() => removeAll(), 60_000);

const docker = (...args: string[]) => daemon.ok('docker', args);
const post = (path: string, body?: unknown) => daemon.request('POST', path, body);

/** The state when it has stopped changing. */
async function settled(): Promise<string[]> {
  let before = await networkState(daemon);
  for (;;) {
    await Bun.sleep(500);
    const now = await networkState(daemon);
    if (String(now) === String(before)) return now;
    before = now;
  }
}

const NETWORKS = ['alpha', 'beta', 'gamma'];
const subnet = (name: string) => `10.${60 + NETWORKS.indexOf(name)}.0.0/24`;
const create = (name: string) =>
  post('/networks/create', { Name: name, IPAM: { Config: [{ Subnet: subnet(name) }] } });
const BODY = {
  Image: 'busybox',
  Cmd: ['sleep', '1000'],
  ExposedPorts: { '80/tcp': {} },
  HostConfig: {
    Init: true,
    NetworkMode: 'beta',
    PortBindings: { '80/tcp': [{ HostPort: '8080' }], '53/udp': [{ HostPort: '8053' }] },
  },
  NetworkingConfig: { EndpointsConfig: { beta: { Aliases: ['svc'] }, gamma: {} } },
};
/** `it` in beta and gamma with ports, and a neighbour in each network. */
async function prepare({ started = true } = {}): Promise<void> {
  for (const name of NETWORKS) {
    await create(name);
    const host = { NetworkMode: name, Init: true };
    await post(`/containers/create?name=in-${name}`, {
      Image: 'busybox',
      Cmd: ['sleep', '1000'],
      HostConfig: host,
    });
    await post(`/containers/in-${name}/start`);
  }
  expect((await post('/containers/create?name=it', BODY)).status).toBe(201);
  if (started) expect((await post('/containers/it/start')).status).toBe(204);
}

interface Step {
  readonly name: string;
  /** Milliseconds in which the request is done on an idle machine. */
  readonly span: number;
  readonly prepare: () => Promise<void>;
  readonly request: () => Promise<unknown>;
}
const STEPS: readonly Step[] = [
  {
    name: 'network create',
    span: 15,
    prepare: async () => void (await create('alpha')),
    request: () => Promise.all([create('beta'), create('gamma')]),
  },
  {
    name: 'network rm',
    span: 40,
    prepare: async () => void (await Promise.all(NETWORKS.map(create))),
    request: () =>
      Promise.all(NETWORKS.slice(1).map((name) => daemon.request('DELETE', `/networks/${name}`))),
  },
  {
    name: 'connect',
    span: 20,
    prepare,
    request: () =>
      post('/networks/alpha/connect', { Container: 'it', EndpointConfig: { Aliases: ['more'] } }),
  },
  {
    name: 'disconnect from the network of the ports',
    span: 40,
    prepare,
    request: () => post('/networks/beta/disconnect', { Container: 'it' }),
  },
  {
    name: 'start in two networks with ports',
    span: 120,
    prepare: () => prepare({ started: false }),
    request: () => post('/containers/it/start'),
  },
  {
    name: 'restart',
    span: 200,
    prepare,
    request: () => post('/containers/it/restart'),
  },
  {
    name: 'rm -f',
    span: 120,
    prepare,
    request: () => daemon.request('DELETE', '/containers/it?force=1'),
  },
];

/** What is listed is there and works: addresses, names from a neighbour, ports. */
async function expectWhole(): Promise<void> {
  expect(await networkFaults(daemon)).toEqual([]);
  const answer = await daemon.request('GET', '/containers/it/json');
  if (answer.status === 404) return;
  const { State, NetworkSettings } = (await answer.json()) as {
    State: { Running: boolean };
    NetworkSettings: { Networks: Record<string, { IPAddress: string }>; Ports: Record<string, unknown> };
  };
  const nft = (await daemon.inNetwork(['nft', 'list', 'ruleset'])).stdout;
  for (const name of NETWORKS) {
    const neighbour = await daemon.request('GET', `/containers/in-${name}/json`);
    if (neighbour.status === 404) continue;
    const { Pid } = ((await neighbour.json()) as { State: { Pid: number } }).State;
    const address = State.Running ? NetworkSettings.Networks[name]?.IPAddress : undefined;
    const reply = told(await query(`/proc/${Pid}/ns/net`, 'it'));
    expect([name, reply]).toEqual([name, address ? [address] : 'SERVFAIL']);
    if (address) await docker('exec', `in-${name}`, 'ping', '-c', '1', '-W', '5', 'it');
  }
  if (State.Running) {
    // Its own files say the same.
    const files = await docker('exec', 'it', 'cat', '/etc/hosts', '/etc/resolv.conf');
    expect(files).toContain('nameserver 127.0.0.11');
    const lines = [...files.matchAll(/^(10\.6\d\.\S+)\t/gm)].map((match) => match[1]);
    const wanted = Object.values(NetworkSettings.Networks).map(({ IPAddress }) => IPAddress);
    expect(lines).toEqual(expect.arrayContaining(wanted));
  }
  expect(nft.includes('8080')).toBe(State.Running);
  expect(nft.includes('8053')).toBe(State.Running);
}

async function removeAll(): Promise<void> {
  for (const id of await daemon.ids()) {
    expect((await daemon.request('DELETE', `/containers/${id}?force=1`)).status).toBe(204);
  }
  for (const name of NETWORKS) {
    expect((await daemon.request('DELETE', `/networks/${name}`)).status).toBeOneOf([204, 404]);
  }
}

test.each(STEPS)(
  `$name, killed at any moment (seed ${SEED})`,
  async ({ name, span, prepare, request }) => {
    for (let round = 0; round < ROUNDS; round++) {
      await prepare();
      // The first one after the shortest time, the others anywhere, also behind the end.
      const after = round === 0 ? 1 : random() * span * 1.5;
      const asked = request().catch(() => undefined);
      await Bun.sleep(after);
      await daemon.kill9();
      await asked;
      await daemon.start();
      try {
        await expectWhole();
        await removeAll();
        await untilState(daemon, clean);
      } catch (error) {
        throw new Error(
          `${name}, killed after ${after.toFixed(1)} ms (seed ${SEED}): ${error}\n${daemon.log()}`,
        );
      }
    }
  },
  240_000,
);
