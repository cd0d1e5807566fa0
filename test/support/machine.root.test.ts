import { expect, test } from 'bun:test';
import { mkdtempSync, rmdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { spawnSync } from 'bun';
import { leftovers, machineState } from './machine.ts';

const run = (...argv: string[]) => expect(spawnSync(argv).exitCode).toBe(0);

test('what is made is seen, and seen to be gone', async () => {
  const before = machineState();
  const folder = mkdtempSync(join(tmpdir(), 'tare-machine-'));
  const link = `tm${process.pid}`;
  const sleeper = Bun.spawn(['sleep', '1000']);
  const ours = (items: string[]) =>
    items.filter((item) => /tare-machine|sleep 1000/.test(item) || item.includes(link));
  try {
    run('mount', '-t', 'tmpfs', 'tare-machine', folder);
    run('ip', 'link', 'add', link, 'type', 'bridge');
    run('nft', 'add', 'table', 'inet', link);
    expect(ours(leftovers(before, machineState()).faults).sort()).toEqual([
      `mount: tmpfs tare-machine on ${folder}`,
      `network interface: ${link}`,
      `nftables: table inet ${link}`,
      `process: ${sleeper.pid} sleep 1000`,
    ]);
  } finally {
    spawnSync(['nft', 'delete', 'table', 'inet', link]);
    spawnSync(['ip', 'link', 'delete', link]);
    spawnSync(['umount', folder]);
    rmdirSync(folder);
    sleeper.kill();
    await sleeper.exited;
  }
  expect(ours(leftovers(before, machineState()).faults)).toEqual([]);
});
