/** What `network explain` says of a real host; its words in all cases are in test/golden/network-explain. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { serve, serverContainer, stopServers } from '../support/network-peers.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true });
}, 120_000);
afterAll(async () => {
  await stopServers();
  await daemon?.stop();
}, 120_000);

const out = (...args: string[]) => daemon.ok('tare', args);
const explain = (target: string) => out('network', 'explain', target);
const inDaemon = () => ['nsenter', `--net=/run/netns/${daemon.bridge}`, '--'];

test('a published port, what listens behind it, and who else has a port', async () => {
  const { id } = await serverContainer(daemon, [80], '--name', 'web', '-p', '8300:80', '-p', '8301:81');
  const text = await explain('8300');
  expect(text).toStartWith('port 8300/tcp leads to container web, ');
  expect(text).toMatch(/passes +other machines: led to the container/);
  expect(text).toMatch(/by table inet tare-\S+, chain publish: map ports \(0\.0\.0\.0:8300\)/);
  expect(text).toMatch(/passes +the container: a program listens on 80\/tcp/);
  expect(await explain('localhost:8301')).toMatch(
    /nothing listens on 81\/tcp in web: connections are refused/,
  );
  await serve(inDaemon(), 8302);
  expect(await explain(':8302')).toMatch(/not published by a container; python3 \(pid \d+\) listens there/);
  const json = JSON.parse(await out('network', 'explain', '--format', 'json', 'web'));
  expect(json.Target).toBe('container web');
  const { code, stderr } = await daemon.tare('network', 'explain', 'nobody');
  expect([code, stderr.includes('No such container: nobody')]).toEqual([1, true]);
  await out('rm', '-f', id);
  expect(await explain('8300')).toContain('nothing listens there: the host refuses');
}, 60_000);

test('a firewall of others that drops, with the table and chain, and our rule in it', async () => {
  const script = 'table inet admin { chain through { type filter hook forward priority 0; policy drop; }; }';
  await daemon.inNetwork(['nft', script]);
  const { id } = await serverContainer(daemon, [80], '-p', '8310:80');
  await daemon.terminate();
  await daemon.start();
  const text = await explain('8310');
  expect(text).toContain(
    'by table inet admin, chain through (policy drop); table inet admin, chain through: ',
  );
  expect(text).toContain(`comment "tare:tare-${daemon.bridge}:${daemon.bridge}"`);
  await daemon.inNetwork(['nft', 'delete table inet admin']);
  await out('rm', '-f', id);
}, 60_000);
