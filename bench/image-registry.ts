/** Registries on loopback for the image rows: Debian's docker-registry, each inside the namespace of its engine. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { must, run, until } from '../test/support/command.ts';
import { SAMPLE, SAMPLE_BASE, sampleArchive } from './sample-image.ts';

/** Every namespace has ports of its own. */
const PORT = 5000;

/** Where an engine finds it. */
export const REGISTRY = `127.0.0.1:${PORT}`;

export interface RunningRegistry {
  stop(): Promise<void>;
}

/** Starts a registry over `root` by a command line that begins with `inside` (nsenter, or nothing). */
export async function startRegistry(root: string, inside: readonly string[]): Promise<RunningRegistry> {
  mkdirSync(root, { recursive: true });
  const config = join(root, 'registry.yml');
  const lines = [
    'version: 0.1',
    'log: {level: error}',
    `storage: {filesystem: {rootdirectory: ${root}/data}, delete: {enabled: true}}`,
    `http: {addr: "127.0.0.1:${PORT}"}`,
  ];
  writeFileSync(config, `${lines.join('\n')}\n`);
  const argv = [...inside, 'docker-registry', 'serve', config];
  const child = Bun.spawn(argv, { stdout: 'ignore', stderr: 'ignore' });
  const probe = [...inside, 'bash', '-c', `exec 3<>/dev/tcp/127.0.0.1/${PORT}`];
  await until('the registry listens', async () => (await run(probe)).code === 0, 20_000);
  return {
    stop: async () => {
      child.kill();
      await child.exited;
    },
  };
}

let filled: Promise<string> | undefined;
let folder = '';

/** Root of a registry that holds the sample images; made once. `inside` is a namespace to fill it in. */
export function filledRegistry(inside: readonly string[]): Promise<string> {
  filled ??= fill(inside);
  return filled;
}

async function fill(inside: readonly string[]): Promise<string> {
  folder = mkdtempSync('/var/tmp/tare-bench-registry-');
  const root = join(folder, 'filled');
  const archive = await sampleArchive();
  const registry = await startRegistry(root, inside);
  try {
    for (const name of [SAMPLE, SAMPLE_BASE]) {
      const from = `docker-archive:${archive}:${name}`;
      const to = `docker://${REGISTRY}/${name}`;
      const argv = [...inside, 'skopeo', 'copy', '-q', '--insecure-policy', '--dest-tls-verify=false'];
      await must([...argv, '--dest-compress-format', 'gzip', from, to], { timeout: 120_000 });
    }
  } finally {
    await registry.stop();
  }
  return root;
}

/** A new, empty root. */
export function emptyRoot(): string {
  if (folder === '') folder = mkdtempSync('/var/tmp/tare-bench-registry-');
  return mkdtempSync(join(folder, 'empty-'));
}

export function removeRegistries(): void {
  if (folder !== '') rmSync(folder, { recursive: true, force: true });
}
