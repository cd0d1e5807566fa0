/** A network over several bridges, at a limit of four ports a bridge: nothing of it shows. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon({ isolated: true, env: { TARE_BRIDGE_PORTS: '4' } });
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);

const docker = (...args: string[]) => daemon.ok('docker', args);
const bridges = async () =>
  [
    ...(await daemon.inNetwork(['ip', '-o', 'link', 'show', 'type', 'bridge'])).stdout.matchAll(
      /: (b[rx]\S+):/g,
    ),
  ]
    .map((match) => match[1] ?? '')
    .sort();
const ping = async (from: string, to: string) =>
  (await daemon.client('docker', ['exec', from, 'ping', '-c', '1', '-W', '2', to])).code === 0;

test('names, ports, a crash and the end of a network over several bridges', async () => {
  await docker('network', 'create', 'wide');
  for (let number = 1; number <= 7; number++) {
    await docker(
      ...['run', '-d', '--name', `c${number}`, '--net', 'wide', ...(number === 6 ? ['-p', '8090:80'] : [])],
      ...['busybox', 'sh', '-c', 'hostname > /tmp/index.html; exec httpd -f -p 80 -h /tmp'],
    );
  }
  expect(await bridges()).toHaveLength(1 + 2);
  const all = async () => {
    for (const [from, to] of [
      ['c1', 'c7'],
      ['c7', 'c1'],
      ['c4', 'c6'],
      ['c6', 'c5'],
    ] as const) {
      expect([from, to, await ping(from, to)]).toEqual([from, to, true]);
    }
    expect((await daemon.inNetwork(['busybox', 'wget', '-qO-', 'http://127.0.0.1:8090/'])).code).toBe(0);
    const gateway = await docker('network', 'inspect', '-f', '{{(index .IPAM.Config 0).Gateway}}', 'wide');
    for (const asker of ['c1', 'c5', 'c6']) {
      expect(await docker('exec', asker, 'wget', '-qO-', `http://${gateway}:8090/`)).toHaveLength(12);
    }
  };
  await all();
  await daemon.kill9();
  await daemon.start();
  await all();
  expect(await docker('run', '--rm', '--net', 'wide', 'busybox', 'ping', '-c', '1', 'c3')).toContain(
    '1 packets',
  );
  await docker('rm', '-f', ...[1, 2, 3, 4, 5, 6, 7].map((number) => `c${number}`));
  await docker('network', 'rm', 'wide');
  expect(await bridges()).toEqual([]);
}, 120_000);
