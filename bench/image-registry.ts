/** Registries on loopback for the image rows: Debian's docker-registry, each inside the namespace of its engine. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { must } from '../test/support/command.ts';
import { type RunningRegistry, startDockerRegistry } from '../test/support/docker-registry.ts';
import { SAMPLE, SAMPLE_BASE, sampleArchive } from './sample-image.ts';

/** Every namespace has ports of its own. */
const PORT = 5000;

/** Where an engine finds it. */
export const REGISTRY = `127.0.0.1:${PORT}`;

/** Starts a registry with its files below `root` in the namespace of `inside`. */
export function startRegistry(root: string, inside: readonly string[]): Promise<RunningRegistry> {
  return startDockerRegistry(root, 'registry', { place: { inside, port: PORT } });
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
  mkdirSync(root);
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
