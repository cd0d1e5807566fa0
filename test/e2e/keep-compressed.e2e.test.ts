/** `keep-compressed`: what our encoder makes again is dropped after a pull, and the image still has its digest. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { DiskUsageResponse } from '../../src/wire/system.ts';
import { until } from '../support/command.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { type RunningRegistry, startDockerRegistry } from '../support/docker-registry.ts';
import { FakeRegistry } from '../support/fake-registry.ts';
import { tarBytes } from '../support/tar-bytes.ts';

let folder: string;
let registry: RunningRegistry;
let foreign: FakeRegistry;
let daemon: TestDaemon;
beforeAll(async () => {
  folder = mkdtempSync('/tmp/tare-keep-');
  mkdirSync(join(folder, 'registry'));
  registry = await startDockerRegistry(folder, 'registry');
  foreign = await FakeRegistry.start();
  daemon = await startDaemon();
}, 120_000);
afterAll(async () => {
  await daemon?.stop();
  await registry?.stop();
  await foreign?.[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
}, 120_000);

async function compressed(of: TestDaemon): Promise<number> {
  const usage = (await (await of.request('GET', '/system/df?tare=1')).json()) as DiskUsageResponse;
  return usage.TareLayers?.Compressed ?? -1;
}

async function expectSound(of: TestDaemon): Promise<void> {
  const { code, stdout } = await of.tare('system', 'check');
  expect(`${code} ${stdout}`).toBe('0 nothing wrong\n');
}

const digestOf = (pushed: string): string => /digest: (sha256:[0-9a-f]{64})/.exec(pushed)?.[1] ?? '';

test('auto: an image that a Tare pushed takes no second place, and is pushed again under its digest', async () => {
  const name = `${registry.host}/made/here:1`;
  await daemon.ok('tare', ['tag', 'busybox', name]);
  const digest = digestOf(await daemon.ok('tare', ['push', name]));
  expect(digest).not.toBe('');
  const other = await startDaemon({ bare: true });
  try {
    await other.ok('tare', ['pull', name]);
    await until('the form is dropped', async () => (await compressed(other)) === 0);
    await expectSound(other);
    expect(await other.ok('tare', ['run', '--rm', name, 'echo', 'well'])).toBe('well');
    const again = `${registry.host}/other/place:1`;
    await other.ok('tare', ['tag', name, again]);
    expect(digestOf(await other.ok('tare', ['push', again]))).toBe(digest);
  } finally {
    await other.stop();
  }
}, 120_000);

test('auto keeps what somebody else compressed; never drops it, also after a reload', async () => {
  foreign.image('theirs', '1', [tarBytes([{ name: 'file', content: 'x'.repeat(3_000_000) }])]);
  const name = `${foreign.host}/theirs:1`;
  await daemon.ok('tare', ['pull', name]);
  await Bun.sleep(1500);
  expect(await compressed(daemon)).toBeGreaterThan(0);
  const config = join(daemon.root, 'daemon.json');
  const before = readFileSync(config, 'utf8');
  writeFileSync(config, JSON.stringify({ ...JSON.parse(before), 'keep-compressed': 'never' }));
  process.kill(daemon.pid, 'SIGHUP');
  await until('the form is dropped', async () => (await compressed(daemon)) === 0);
  await expectSound(daemon);
  await daemon.ok('tare', ['save', '-o', '/dev/null', name]);
  // A push makes the form anew.
  const own = `${registry.host}/theirs:1`;
  await daemon.ok('tare', ['tag', name, own]);
  expect(digestOf(await daemon.ok('tare', ['push', own]))).not.toBe('');
  await daemon.ok('tare', ['rmi', name, own]);
  await expectSound(daemon);
}, 120_000);
