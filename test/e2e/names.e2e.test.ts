/** Custom networks: names that resolve, connect and disconnect, in a network namespace of the daemon's own. */
import { afterAll, afterEach, beforeAll, expect, test } from 'bun:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);
afterEach(async () => {
  const ids = (await tare('ps', '-aq')).split('\n').filter((id) => id !== '');
  if (ids.length > 0) await tare('rm', '-f', ...ids);
  await tare('network', 'prune', '-f');
}, 60_000);

const tare = (...args: string[]) => daemon.ok('tare', args);
const docker = (...args: string[]) => daemon.ok('docker', args);
const refused = async (...args: string[]) => {
  const { code, stderr } = await daemon.client('docker', args);
  expect(code).not.toBe(0);
  return stderr;
};
const sleeper = (name: string, ...args: string[]) =>
  docker('run', '-d', '--name', name, ...args, 'busybox', 'sleep', '1000');
/** Addresses that `name` has for a container, sorted; the server's own lines are left out. */
async function resolved(from: string, name: string): Promise<string[]> {
  const { stdout } = await daemon.client('docker', ['exec', from, 'nslookup', name]);
  const [, answer = ''] = stdout.split('127.0.0.11:53');
  return [...answer.matchAll(/^Address: (\S+)$/gm)].map((match) => match[1] ?? '').sort();
}
const addressIn = (network: string, name: string) =>
  tare('inspect', '-f', `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, name);

test('the seed case: two containers on a network of their own find each other', async () => {
  await docker('network', 'create', 'dev_environment');
  await sleeper('client_a', '--net', 'dev_environment');
  await sleeper('client_b', '--net', 'dev_environment');
  const output = await docker('exec', 'client_a', 'ping', '-c', '2', 'client_b');
  expect(output).toContain('2 packets received');
}, 60_000);

test('name, alias, short id, host name, link and the reverse; shared aliases give all', async () => {
  await docker('network', 'create', 'app');
  await docker('network', 'create', 'other');
  const id = await sleeper('web1', '--net', 'app', '--network-alias', 'web', '-h', 'webhost');
  await sleeper('web2', '--net', 'app', '--network-alias', 'web');
  await sleeper('asker', '--net', 'app', '--link', 'web1:linked');
  await sleeper('stranger', '--net', 'other');
  const one = await addressIn('app', 'web1');
  const two = await addressIn('app', 'web2');
  for (const name of ['web1', 'WEB1', 'web1.app', id.slice(0, 12), 'webhost', 'linked']) {
    expect([name, await resolved('asker', name)]).toEqual([name, [one]]);
  }
  expect(await resolved('web2', 'linked')).toEqual([]);
  expect(await resolved('asker', 'web')).toEqual([one, two].sort());
  expect(await resolved('asker', 'stranger')).toEqual([]);
  expect(await resolved('stranger', 'web1')).toEqual([]);
  expect(await docker('exec', 'asker', 'nslookup', one)).toContain('web1.app');
  await docker('rename', 'web1', 'renamed');
  expect(await resolved('asker', 'renamed')).toEqual([one]);
  expect(await resolved('asker', 'web1')).toEqual([]);
  await docker('stop', '-t', '0', 'web2');
  expect(await resolved('asker', 'web')).toEqual([one]);
}, 120_000);

test('connect and disconnect on a running container: addresses, names, routes and published ports', async () => {
  await docker('network', 'create', '--subnet', '10.77.0.0/24', 'zone');
  await docker(
    ...['run', '-d', '--name', 'server', '-p', '8099:80', 'busybox', 'sh', '-c'],
    'echo hello > /tmp/index.html; exec httpd -f -p 80 -h /tmp',
  );
  await sleeper('peer', '--net', 'zone');
  await docker('network', 'connect', '--ip', '10.77.0.44', '--alias', 'srv', 'zone', 'server');
  expect(await resolved('peer', 'srv')).toEqual(['10.77.0.44']);
  expect(await resolved('server', 'peer')).toEqual([await addressIn('zone', 'peer')]);
  expect(await docker('exec', 'server', 'cat', '/etc/hosts')).toContain('10.77.0.44\t');
  expect(await docker('exec', 'peer', 'wget', '-q', '-O', '-', 'http://srv/')).toBe('hello');
  expect(await docker('exec', 'server', 'ip', 'route')).not.toContain('default via 10.77.0.1');
  expect(await refused('network', 'connect', 'zone', 'server')).toContain(
    'endpoint with name server already exists in network zone',
  );
  // The port goes on over the network that is left.
  await docker('network', 'disconnect', 'bridge', 'server');
  expect(await docker('exec', 'server', 'ip', 'route')).toContain('default via 10.77.0.1 dev eth1');
  expect(await docker('port', 'server')).toContain('80/tcp -> 0.0.0.0:8099');
  const get = await daemon.inNetwork([
    'timeout',
    '5',
    'busybox',
    'wget',
    '-q',
    '-O',
    '-',
    'http://127.0.0.1:8099/',
  ]);
  expect(get.stdout).toBe('hello\n');
  expect(await docker('exec', 'server', 'ip', 'addr')).not.toContain('eth0');
  await docker('network', 'disconnect', 'zone', 'server');
  expect(await resolved('peer', 'srv')).toEqual([]);
  expect(await docker('exec', 'server', 'ip', 'route')).toBe('');
  expect(await refused('network', 'disconnect', 'zone', 'server')).toContain(
    'is not connected to network zone',
  );
  await docker('network', 'connect', 'bridge', 'server');
  expect(await docker('exec', 'server', 'ip', 'route')).toContain('default via');
}, 120_000);

test('a stopped container is connected at its next start; modes without networks refuse', async () => {
  await docker('network', 'create', 'late');
  await docker('create', '--name', 'idle', 'busybox', 'sleep', '1000');
  await docker('network', 'connect', '--alias', 'lazy', 'late', 'idle');
  await sleeper('peer', '--net', 'late');
  expect(await resolved('peer', 'lazy')).toEqual([]);
  await docker('start', 'idle');
  expect(await resolved('peer', 'lazy')).toEqual([await addressIn('late', 'idle')]);
  await sleeper('hosted', '--net', 'host');
  expect(await refused('network', 'connect', 'late', 'hosted')).toContain('sharing network namespace');
  expect(await refused('network', 'connect', 'host', 'idle')).toContain('host network');
  await sleeper('alone', '--net', 'none');
  expect(await refused('network', 'connect', 'late', 'alone')).toContain('private (none) mode');
  expect(await refused('network', 'connect', '--ip', '10.1.2.3', 'late', 'idle')).not.toBe('');
  expect(await refused('network', 'connect', 'nowhere', 'idle')).toContain('network nowhere not found');
  expect(await refused('network', 'connect', 'late', 'nobody')).toContain('No such container: nobody');
}, 120_000);

test('after kill -9 of the daemon names are answered again, and endpoints are as they were', async () => {
  await docker('network', 'create', 'lasting');
  await sleeper('one', '--net', 'lasting');
  await sleeper('two');
  await docker('network', 'connect', 'lasting', 'two');
  const before = await addressIn('lasting', 'two');
  await daemon.kill9();
  await daemon.start();
  expect(await resolved('one', 'two')).toEqual([before]);
  expect(await resolved('two', 'one')).toEqual([await addressIn('lasting', 'one')]);
  await docker('network', 'disconnect', 'lasting', 'two');
  expect(await resolved('one', 'two')).toEqual([]);
}, 120_000);

test('an internal network has names and no way out', async () => {
  await docker('network', 'create', '--internal', 'inner');
  await sleeper('in1', '--net', 'inner');
  await sleeper('in2', '--net', 'inner');
  expect(await resolved('in1', 'in2')).toEqual([await addressIn('inner', 'in2')]);
  expect(await docker('exec', 'in1', 'ip', 'route')).not.toContain('default');
  expect(await resolved('in1', 'example.org')).toEqual([]);
}, 60_000);
