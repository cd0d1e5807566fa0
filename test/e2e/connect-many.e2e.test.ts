/** Many connects and disconnects at once, and names that two containers claim. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { query, told } from '../support/dns-query.ts';
import { networkFaults, networkState, untilState } from '../support/network-state.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const docker = (...args: string[]) => daemon.ok('docker', args);
const networkOf = async (name: string) =>
  `/proc/${await docker('inspect', '-f', '{{.State.Pid}}', name)}/ns/net`;
const addressIn = (network: string, name: string) =>
  docker('inspect', '-f', `{{(index .NetworkSettings.Networks "${network}").IPAddress}}`, name);

test('200 connects at once and 200 disconnects at once: each is done, none in another’s way', async () => {
  const networks = Array.from({ length: 20 }, (_, index) => `n${index}`);
  const names = Array.from({ length: 10 }, (_, index) => `c${index}`);
  for (const [index, name] of networks.entries()) {
    await docker('network', 'create', '--subnet', `10.80.${index}.0/24`, name);
  }
  const empty = await networkState(daemon);
  for (const name of names) await docker('run', '-d', '--name', name, 'busybox', 'sleep', '1000');
  const all = (verb: string, body: (container: string, network: string) => object) =>
    Promise.all(
      names.flatMap((container) =>
        networks.map((network) =>
          daemon.request('POST', `/networks/${network}/${verb}`, {
            Container: container,
            ...body(container, network),
          }),
        ),
      ),
    );
  const bad = async (responses: Response[]) =>
    Promise.all(responses.filter(({ status }) => status !== 200).map((response) => response.text()));
  const connected = await all('connect', (container, network) => ({
    EndpointConfig: { Aliases: [`${container}-of-${network}`, 'every'] },
  }));
  expect(await bad(connected)).toEqual([]);
  expect(await networkFaults(daemon)).toEqual([]);
  const asker = await networkOf('c0');
  for (const network of ['n0', 'n7', 'n19']) {
    expect(told(await query(asker, `c9-of-${network}`))).toEqual([await addressIn(network, 'c9')]);
  }
  expect(told(await query(asker, 'every'))).toHaveLength(10);
  // The same once more is refused, every one of them.
  const twice = await all('connect', () => ({}));
  expect(twice.every(({ status }) => status === 403)).toBe(true);
  const away = await all('disconnect', () => ({}));
  expect(await bad(away)).toEqual([]);
  expect(await networkFaults(daemon)).toEqual([]);
  await docker('rm', '-f', ...names);
  await untilState(daemon, empty);
  await docker('network', 'rm', ...networks);
}, 180_000);

test('a name or short id that another’s alias claims leads to both', async () => {
  await docker('network', 'create', 'shared');
  const run = (name: string, ...args: string[]) =>
    docker('run', '-d', '--name', name, '--net', 'shared', ...args, 'busybox', 'sleep', '1000');
  await run('real');
  await run('false', '--network-alias', 'real', '-h', 'real');
  await run('asker');
  const [real, pretends] = [await addressIn('shared', 'real'), await addressIn('shared', 'false')];
  const path = await networkOf('asker');
  expect([...told(await query(path, 'real'))].sort()).toEqual([real, pretends].sort());
  await docker('stop', '-t', '0', 'real');
  expect(told(await query(path, 'real'))).toEqual([pretends]);
  const taken = await daemon.docker('run', '-d', '--name', 'real', '--net', 'shared', 'busybox', 'true');
  expect(taken.stderr).toContain('The container name "/real" is already in use');
  // The hardest collision: an alias like the short id of another.
  const other = (await docker('inspect', '-f', '{{.Id}}', 'asker')).slice(0, 12);
  await run('thief', '--network-alias', other);
  const [own, thief] = [await addressIn('shared', 'asker'), await addressIn('shared', 'thief')];
  expect([...told(await query(path, other))].sort()).toEqual([own, thief].sort());
  await docker('rm', '-f', 'real', 'false', 'asker', 'thief');
  await docker('network', 'rm', 'shared');
}, 60_000);
