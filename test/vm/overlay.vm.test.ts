/** Layers as directories, on a kernel whose overlay takes its lower directories in one line of options. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

let daemon: TestDaemon;
beforeAll(async () => {
  daemon = await startDaemon();
}, 120_000);
afterAll(() => daemon?.stop(), 120_000);
const out = (...args: string[]) => daemon.ok('tare', args);

test('an image of many layers, each with a file added and one removed', async () => {
  const layers = 6;
  let image = 'busybox';
  for (let layer = 1; layer <= layers; layer++) {
    const id = await out('run', '-d', image, 'sh', '-c', `echo ${layer} >/l${layer}; rm -f /l${layer - 2}`);
    await out('wait', id);
    image = (await out('commit', id, 'layers')).replace('sha256:', '');
    await out('rm', id);
  }
  expect(await out('run', '--rm', 'layers', 'sh', '-c', 'ls -d /l[0-9]*; cat /l6')).toBe('/l5\n/l6\n6');
  await out('rmi', '-f', 'layers');
}, 180_000);
