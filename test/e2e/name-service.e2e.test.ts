/** What 127.0.0.11 answers, record by record, and whom it asks: the host's resolver here is one of the test's. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, run, until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { type Asked, FakeServer, query, told } from '../support/dns-query.ts';

let daemon: TestDaemon;
const folder = mkdtempSync('/tmp/tare-names-');
const resolvConf = join(folder, 'resolv.conf');
const namespace = `tn-${process.pid}`;
const hostNetwork = `/run/netns/${namespace}`;
const servers: FakeServer[] = [];

/** The host's /etc/resolv.conf from now on; the file is mounted over the daemon's. */
const hostAsks = (text: string) => writeFileSync(resolvConf, text);
const serve = async (network: string, address: string, records: Record<string, string>) => {
  const server = await FakeServer.listen(network, address, records);
  servers.push(server);
  return server;
};

beforeAll(async () => {
  hostAsks('nameserver 127.0.0.53\nsearch corp.test\n');
  await must(['ip', 'netns', 'add', namespace]);
  await must(['ip', '-n', namespace, 'link', 'set', 'lo', 'up']);
  const over = `mount --bind ${resolvConf} /etc/resolv.conf && exec "$@"`;
  daemon = await startDaemon({
    inside: [
      ...['nsenter', `--net=${hostNetwork}`, '--', 'unshare', '--mount', '--propagation', 'slave'],
      ...['sh', '-c', over, 'sh'],
    ],
  });
}, 120_000);
afterAll(async () => {
  await daemon?.stop().finally(async () => {
    await run(['ip', 'netns', 'delete', namespace]);
    rmSync(folder, { recursive: true, force: true });
  });
}, 120_000);
afterEach(async () => {
  for (const server of servers.splice(0)) server[Symbol.dispose]();
  const ids = (await docker('ps', '-aq')).split('\n').filter((id) => id !== '');
  if (ids.length > 0) await docker('rm', '-f', ...ids);
  await docker('network', 'prune', '-f');
  hostAsks('nameserver 127.0.0.53\nsearch corp.test\n');
}, 60_000);

const docker = (...args: string[]) => daemon.ok('docker', args);
const sleeper = (name: string, ...args: string[]) =>
  docker('run', '-d', '--init', '--name', name, ...args, 'busybox', 'sleep', '1000');
const networkOf = async (name: string) =>
  `/proc/${await docker('inspect', '-f', '{{.State.Pid}}', name)}/ns/net`;
/** What a container is told: data of the records, or the code. Sorted. */
async function ask(from: string, name: string, asked: Asked = {}): Promise<string[] | string> {
  const data = told(await query(await networkOf(from), name, asked));
  return typeof data === 'string' ? data : data.toSorted();
}
const addressOf = (network: string, name: string, which = 'IPAddress') =>
  docker('inspect', '-f', `{{(index .NetworkSettings.Networks "${network}").${which}}}`, name);
const resolvConfOf = (name: string) => docker('exec', name, 'cat', '/etc/resolv.conf');

test('A, AAAA and PTR of both families, over UDP and TCP, on a network with IPv6 and on one without', async () => {
  await docker('network', 'create', '--ipv6', '--subnet', 'fd00:53::/64', '--subnet', '10.98.0.0/24', 'both');
  await docker('network', 'create', 'old');
  const id = await sleeper('web', '--net', 'both', '--ip', '10.98.0.9', '--ip6', 'fd00:53::9');
  await sleeper('asker', '--net', 'both');
  await docker('network', 'connect', 'old', 'asker');
  await sleeper('plain', '--net', 'old', '--network-alias', 'alias');
  for (const transport of ['udp', 'tcp'] as const) {
    for (const name of ['web', 'WEB', 'web.both', id.slice(0, 12), `${id.slice(0, 12)}.both`]) {
      expect([name, await ask('asker', name, { transport })]).toEqual([name, ['10.98.0.9']]);
      expect([name, await ask('asker', name, { transport, type: 'AAAA' })]).toEqual([name, ['fd00:53::9']]);
    }
    const plain = await addressOf('old', 'plain');
    for (const name of ['plain', 'alias', 'plain.old']) {
      expect([name, await ask('asker', name, { transport })]).toEqual([name, [plain]]);
      // The name is there, an address of this family is not: not to be asked elsewhere.
      expect(await ask('asker', name, { transport, type: 'AAAA' })).toBe('NOERROR');
    }
    const pointer = (address: string) => `${address.split('.').reverse().join('.')}.in-addr.arpa`;
    const type = 'PTR';
    expect(await ask('asker', pointer('10.98.0.9'), { transport, type })).toEqual(['web.both']);
    expect(await ask('asker', pointer(plain), { transport, type })).toEqual(['plain.old']);
    const six = '9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.3.5.0.0.0.0.d.f.ip6.arpa';
    expect(await ask('asker', six, { transport, type })).toEqual(['web.both']);
  }
  expect(await docker('exec', 'asker', 'ping', '-6', '-c', '1', 'web')).toContain('1 packets received');
}, 90_000);

test('only names of shared networks, each with its address there; pointers too', async () => {
  for (const name of ['left', 'right', 'far']) await docker('network', 'create', name);
  await sleeper('asker', '--net', 'left');
  await sleeper('server', '--net', 'left', '--network-alias', 'svc');
  await docker('network', 'connect', '--alias', 'right-only', 'right', 'server');
  await sleeper('other', '--net', 'right', '--network-alias', 'svc');
  await sleeper('stranger', '--net', 'far', '--network-alias', 'svc');
  const host = await serve(hostNetwork, '127.0.0.53', {});
  expect(await ask('asker', 'server')).toEqual([await addressOf('left', 'server')]);
  expect(await ask('other', 'server')).toEqual([await addressOf('right', 'server')]);
  expect(await ask('asker', 'svc')).toEqual([await addressOf('left', 'server')]);
  for (const name of ['other', 'stranger', 'right-only', 'server.right', 'svc.far']) {
    expect([name, await ask('asker', name)]).toEqual([name, 'NXDOMAIN']);
  }
  const pointer = `${(await addressOf('far', 'stranger')).split('.').reverse().join('.')}.in-addr.arpa`;
  expect(await ask('asker', pointer, { type: 'PTR' })).toBe('NXDOMAIN');
  // In its own place that name is one.
  expect(await ask('other', 'right-only')).toEqual([await addressOf('right', 'server')]);
  expect(host.asked.length).toBeGreaterThan(5);
  // Who is in another's network namespace has that one's names.
  await docker('run', '-d', '--name', 'guest', '--net', 'container:asker', 'busybox', 'sleep', '1000');
  expect(await ask('guest', 'server')).toEqual([await addressOf('left', 'server')]);
}, 90_000);

test('an alias that three share gives all, and each first at some time', async () => {
  await docker('network', 'create', 'pool');
  for (const name of ['one', 'two', 'three']) await sleeper(name, '--net', 'pool', '--network-alias', 'svc');
  const all = await Promise.all(['one', 'two', 'three'].map((name) => addressOf('pool', name)));
  const path = await networkOf('one');
  const first = new Set<string>();
  await until('each was first', async () => {
    const data = told(await query(path, 'svc'));
    expect([...data].sort()).toEqual(all.toSorted());
    first.add(data[0] ?? '');
    return first.size === 3;
  });
}, 60_000);

test('changes are seen at once: connect, disconnect, rename, stop, start, restart, pause, rm', async () => {
  await docker('network', 'create', '--subnet', '10.97.0.0/24', 'busy');
  await sleeper('asker', '--net', 'busy');
  await sleeper('moves');
  const seen = (name: string) => ask('asker', name);
  expect(await seen('moves')).toBe('SERVFAIL');
  for (const [ip, alias] of [
    ['10.97.0.20', 'first'],
    ['10.97.0.21', 'second'],
  ] as const) {
    await docker('network', 'connect', '--ip', ip, '--alias', alias, 'busy', 'moves');
    expect([await seen('moves'), await seen(alias)]).toEqual([[ip], [ip]]);
    await docker('rename', 'moves', 'moved');
    expect([await seen('moves'), await seen('moved'), await seen(alias)]).toEqual(['SERVFAIL', [ip], [ip]]);
    await docker('rename', 'moved', 'moves');
    await docker('pause', 'moves');
    expect(await seen('moves')).toEqual([ip]);
    await docker('unpause', 'moves');
    await docker('restart', '-t', '5', 'moves');
    expect([await seen('moves'), await seen(alias)]).toEqual([[ip], [ip]]);
    await docker('stop', '-t', '5', 'moves');
    expect([await seen('moves'), await seen(alias)]).toEqual(['SERVFAIL', 'SERVFAIL']);
    await docker('start', 'moves');
    expect(await seen('moves')).toEqual([ip]);
    await docker('network', 'disconnect', 'busy', 'moves');
    expect([await seen('moves'), await seen(alias)]).toEqual(['SERVFAIL', 'SERVFAIL']);
  }
  await docker('network', 'connect', 'busy', 'moves');
  // Programs that ask for a name once, at their start, hold on to the address: a restart keeps it.
  const kept = await addressOf('busy', 'moves');
  await docker('restart', '-t', '5', 'moves');
  expect(await seen('moves')).toEqual([kept]);
  await docker('rm', '-f', 'moves');
  expect(await seen('moves')).toBe('SERVFAIL');
}, 120_000);

test('the rest is asked of the host, at its loopback address too, as its file says at that moment', async () => {
  await docker('network', 'create', 'net');
  const host = await serve(hostNetwork, '127.0.0.53', {
    'outer.test': '192.0.2.7',
    'short.corp.test': '192.0.2.8',
  });
  await sleeper('asker', '--net', 'net');
  expect(await resolvConfOf('asker')).toBe('nameserver 127.0.0.11\nsearch corp.test\noptions ndots:0');
  for (const transport of ['udp', 'tcp'] as const) {
    expect(await ask('asker', 'outer.test', { transport })).toEqual(['192.0.2.7']);
    expect(await ask('asker', 'outer.test', { transport, type: 'AAAA' })).toBe('NOERROR');
    expect(await ask('asker', 'missing.test', { transport })).toBe('NXDOMAIN');
  }
  expect(host.asked).toContain('outer.test 127.0.0.1');
  expect(host.asked.some((line) => line.startsWith('outer.test tcp'))).toBe(true);
  // The container's C library adds the host's search domain.
  expect(await docker('exec', 'asker', 'nslookup', '-type=a', 'short')).toContain('192.0.2.8');
  // A host that moves to another network has other servers then.
  await serve(hostNetwork, '127.0.0.54', { 'outer.test': '192.0.2.99' });
  hostAsks('nameserver 127.0.0.54\n');
  expect(await ask('asker', 'outer.test')).toEqual(['192.0.2.99']);
  // The first one is down: the next is asked.
  hostAsks('nameserver 127.0.0.55\nnameserver 127.0.0.53\n');
  expect(await ask('asker', 'outer.test')).toEqual(['192.0.2.7']);
}, 60_000);

test('while the host’s resolver is down or silent, names of containers are answered; of the rest, that it failed', async () => {
  await docker('network', 'create', 'net');
  await sleeper('asker', '--net', 'net');
  await sleeper('web', '--net', 'net');
  const web = [await addressOf('net', 'web')];
  expect(await ask('asker', 'outer.test')).toBe('SERVFAIL');
  expect(await ask('asker', 'web')).toEqual(web);
  await serve(hostNetwork, '127.0.0.53', { 'outer.test': '' });
  const path = await networkOf('asker');
  const waiting = Array.from({ length: 50 }, () => query(path, 'outer.test'));
  expect(await ask('asker', 'web')).toEqual(web);
  expect(await docker('exec', 'asker', 'ping', '-c', '1', 'web')).toContain('1 packets received');
  for (const reply of await Promise.all(waiting)) expect(told(reply)).toBe('SERVFAIL');
  hostAsks('');
  expect(await ask('asker', 'outer.test')).toBe('SERVFAIL');
  expect(await ask('asker', 'web')).toEqual(web);
}, 60_000);

test('--dns, --dns-search and --dns-option on a custom network and on the default bridge', async () => {
  await docker('network', 'create', '--subnet', '10.96.0.0/24', 'net');
  await sleeper('web', '--net', 'net');
  const host = await serve(hostNetwork, '127.0.0.53', {});
  // On the bridge's address: the container's own way there is taken, not the host's.
  const own = await serve(hostNetwork, '10.96.0.1', {
    'outer.test': '192.0.2.1',
    'web.deep.test': '192.0.2.2',
  });
  const options = ['--dns', '10.96.0.1', '--dns-search', 'deep.test', '--dns-option', 'ndots:1'];
  await sleeper('asker', '--net', 'net', '--ip', '10.96.0.40', ...options);
  expect(await resolvConfOf('asker')).toBe('nameserver 127.0.0.11\nsearch deep.test\noptions ndots:1');
  expect(await ask('asker', 'outer.test')).toEqual(['192.0.2.1']);
  expect(await ask('asker', 'outer.test', { transport: 'tcp' })).toEqual(['192.0.2.1']);
  expect(await ask('asker', 'web')).toEqual([await addressOf('net', 'web')]);
  expect(own.asked).toContain('outer.test 10.96.0.40');
  expect(host.asked).toEqual([]);
  // With ndots:1 the C library asks for `web.deep.test` first.
  expect(await docker('exec', 'asker', 'nslookup', '-type=a', 'web')).toContain('192.0.2.2');
  await sleeper('bridged', ...options);
  expect(await resolvConfOf('bridged')).toBe('nameserver 10.96.0.1\nsearch deep.test\noptions ndots:1');
  // A container on the default bridge gets no loopback server of the host, which would be its own.
  await sleeper('simple');
  expect(await resolvConfOf('simple')).not.toContain('127.0.0');
  await sleeper('none', '--net', 'net', '--dns-search', '.');
  expect(await resolvConfOf('none')).toBe('nameserver 127.0.0.11\noptions ndots:0');
}, 60_000);

test('an internal network: names, and nobody is asked for the rest', async () => {
  await docker('network', 'create', '--internal', 'inner');
  await docker('network', 'create', 'outer');
  await sleeper('asker', '--net', 'inner');
  await sleeper('web', '--net', 'inner');
  const host = await serve(hostNetwork, '127.0.0.53', { 'outer.test': '192.0.2.7' });
  expect(await ask('asker', 'web')).toEqual([await addressOf('inner', 'web')]);
  expect(await ask('asker', 'outer.test')).toBe('SERVFAIL');
  expect(host.asked).toEqual([]);
  await docker('network', 'connect', 'outer', 'asker');
  expect(await ask('asker', 'outer.test')).toEqual(['192.0.2.7']);
  await docker('network', 'disconnect', 'outer', 'asker');
  expect(await ask('asker', 'outer.test')).toBe('SERVFAIL');
  expect(await ask('asker', 'web')).toEqual([await addressOf('inner', 'web')]);
}, 60_000);

test('--link: on the default bridge hosts and variables as Docker; on a custom network a name, there or not yet', async () => {
  await docker('run', '-d', '--name', 'db', '-e', 'MODE=x', '--expose', '5432', 'busybox', 'sleep', '1000');
  const address = await addressOf('bridge', 'db');
  const script = 'env; cat /etc/hosts';
  const linked = await docker(
    'run',
    '--rm',
    '--name',
    'front',
    '--link',
    'db:store',
    'busybox',
    'sh',
    '-c',
    script,
  );
  for (const line of [
    'STORE_NAME=/front/store',
    'STORE_ENV_MODE=x',
    `STORE_PORT=tcp://${address}:5432`,
    `STORE_PORT_5432_TCP_ADDR=${address}`,
    'STORE_PORT_5432_TCP_PORT=5432',
    'STORE_PORT_5432_TCP_PROTO=tcp',
  ]) {
    expect(linked.split('\n')).toContain(line);
  }
  expect(linked).toMatch(new RegExp(`^${address}\\tstore [0-9a-f]{12} db$`, 'm'));
  await docker('network', 'create', 'net');
  // As dockerd: what is linked may come later.
  await sleeper('asker', '--net', 'net', '--link', 'later:soon');
  expect(await ask('asker', 'soon')).toBe('SERVFAIL');
  await sleeper('later', '--net', 'net');
  expect(await ask('asker', 'soon')).toEqual([await addressOf('net', 'later')]);
  expect(await ask('later', 'soon')).toBe('SERVFAIL');
  expect(await docker('exec', 'asker', 'env')).not.toContain('SOON');
}, 60_000);

test('names asked for while the daemon is away are answered when it is back', async () => {
  await docker('network', 'create', 'net');
  await sleeper('web', '--net', 'net');
  // The C library's own resolver, which asks again after five seconds of silence; refused, it would give up at once.
  const script = 'until [ -e /go/now ]; do sleep 0.05; done; ping -c 1 web && echo found';
  await docker(
    'run',
    '-d',
    '--name',
    'asker',
    '--net',
    'net',
    '-v',
    `${folder}:/go`,
    'busybox',
    'sh',
    '-c',
    script,
  );
  const path = await networkOf('asker');
  await daemon.kill9();
  const killed = performance.now();
  writeFileSync(join(folder, 'now'), '');
  await Bun.sleep(300);
  const restarted = performance.now();
  const starting = daemon.start();
  // Someone who asks every moment: how long it is away is what they see.
  let first = 0;
  const asking = until('an answer', async () => {
    const reply = await query(path, 'web', { patience: 50 });
    if (typeof reply === 'object') first = performance.now();
    return first > 0;
  });
  await Promise.all([starting, asking]);
  console.log(
    `names: away for ${(first - killed).toFixed(0)} ms after kill -9, ${(first - restarted).toFixed(0)} ms of it after the new start`,
  );
  await until(
    'the container has found it',
    async () => (await docker('logs', 'asker')).includes('found'),
    30_000,
  );
  rmSync(join(folder, 'now'));
}, 90_000);
