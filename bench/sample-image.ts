/**
 * The image that the image rows move about: two layers, about 275 MB plain and 130 MB as gzip. The lower is Debian;
 * the upper is a program and bytes that do not compress, as pictures and archives in real images.
 */
import { createHash } from 'node:crypto';
import { copyFileSync, createReadStream, mkdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from '../scripts/images/cache.ts';
import { debianTar } from '../scripts/images/debian-image.ts';
import { encodeTarHeader, tarEnd, tarPadding } from '../src/archive/tar-writer.ts';
import { must } from '../test/support/command.ts';

export const SAMPLE = 'bench/sample:1';
/** The same without its upper layer. */
export const SAMPLE_BASE = 'bench/base:1';

/** Bytes of the upper layer that do not compress. */
const NOISE = 40 * 1024 * 1024;
const VERSION = 1;

/** Path of a docker-archive with SAMPLE and SAMPLE_BASE. Needs root at the first call. */
export async function sampleArchive(): Promise<string> {
  const lower = await debianTar();
  const key = JSON.stringify([VERSION, statSync(lower).size, Bun.version]);
  return cached('bench-sample.tar', key, (target, work) => makeArchive(target, work, lower));
}

/** `target` gets the archive; layers are made in `work`. */
async function makeArchive(target: string, work: string, debian: string): Promise<void> {
  const lower = join(work, 'lower.tar');
  await must(['zstd', '-dq', debian, '-o', lower], { timeout: 60_000 });
  const tree = join(work, 'tree/opt/sample');
  mkdirSync(tree, { recursive: true });
  copyFileSync(process.execPath, join(tree, 'program'));
  writeFileSync(join(tree, 'noise'), noise(NOISE));
  const upper = join(work, 'upper.tar');
  await must(['tar', '--sort=name', '--mtime=@0', '-cf', upper, '-C', join(work, 'tree'), '.']);
  await archive(`${target}.new`, lower, upper);
  renameSync(`${target}.new`, target);
}

/** The same bytes each time. */
function noise(length: number): Uint8Array {
  const bytes = new Uint32Array(length / 4);
  let state = 2463534242;
  for (let i = 0; i < bytes.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    bytes[i] = state;
  }
  return new Uint8Array(bytes.buffer);
}

async function archive(target: string, lower: string, upper: string): Promise<void> {
  const out = await open(target, 'w');
  const small = async (name: string, text: string) => {
    const bytes = Buffer.from(text);
    const header = encodeTarHeader({ type: 'file', name, size: bytes.byteLength });
    await out.write(Buffer.concat([header, bytes, tarPadding(bytes.byteLength)]));
  };
  const diffIds: string[] = [];
  for (const [index, path] of [lower, upper].entries()) {
    const { size } = statSync(path);
    await out.write(encodeTarHeader({ type: 'file', name: `layer${index}.tar`, size }));
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) {
      hash.update(chunk);
      await out.write(chunk);
    }
    await out.write(tarPadding(size));
    diffIds.push(`sha256:${hash.digest('hex')}`);
  }
  const images = [
    { tag: SAMPLE, config: 'sample.json', layers: ['layer0.tar', 'layer1.tar'] },
    { tag: SAMPLE_BASE, config: 'base.json', layers: ['layer0.tar'] },
  ];
  for (const { config, layers } of images) await small(config, configOf(diffIds.slice(0, layers.length)));
  const manifest = images.map(({ tag, config, layers }) => ({
    Config: config,
    RepoTags: [tag],
    Layers: layers,
  }));
  await small('manifest.json', JSON.stringify(manifest));
  await out.write(tarEnd());
  await out.close();
}

function configOf(diffIds: readonly string[]): string {
  return JSON.stringify({
    architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
    os: 'linux',
    created: '2026-01-01T00:00:00Z',
    config: { Cmd: ['true'], Env: ['PATH=/usr/sbin:/usr/bin:/sbin:/bin'] },
    rootfs: { type: 'layers', diff_ids: diffIds },
    history: diffIds.map(() => ({ created: '2026-01-01T00:00:00Z', created_by: 'bench' })),
  });
}
