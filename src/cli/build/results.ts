import { mkdirSync } from 'node:fs';
import type { ImageMountEntry } from '../../wire/image-mounts.ts';
import { saveBody } from '../commands/archive-files.ts';
import type { CommandContext } from '../context.ts';
import type { BuildOutput } from './outputs.ts';

/** An image that was built. */
export interface BuiltImage {
  readonly id: string;
  /** As the user wrote them. */
  readonly names: readonly string[];
}

/** Writes the result where an `--output` asks for it. @throws Error that says why it can't. */
export async function writeOutput(
  context: CommandContext,
  image: BuiltImage,
  output: BuildOutput,
): Promise<void> {
  const { type, dest } = output;
  if (type === 'image') return;
  const file = dest === '-' ? '' : dest;
  if (type === 'docker' || type === 'oci') {
    // The daemon's archives are of both kinds at once.
    const names = image.names.length > 0 ? image.names : [image.id];
    await saveBody(context, file, 'save image', () =>
      context.client.request('GET', '/images/get', { query: { names } }),
    );
    return;
  }
  await withFiles(context, image.id, async (root) => {
    const { writeTree } = await import('../../archive/write-tree.ts');
    const body = writeTree(root) as unknown as AsyncIterable<Uint8Array>;
    if (type === 'tar') return await saveBody(context, file, 'write the files', async () => ({ body }));
    mkdirSync(dest, { recursive: true });
    const { unpackLocal } = await import('../../archive/rooted/local-copy.ts');
    await unpackLocal(dest, body, (name) => name);
  });
}

/** Mounts an image for as long as `body` runs; one that was mounted already stays so. */
async function withFiles(
  context: CommandContext,
  image: string,
  body: (root: string) => Promise<void>,
): Promise<void> {
  const { client } = context;
  const path = '/tare/image-mounts';
  const before = await client.json<ImageMountEntry[]>('GET', path);
  const { Path } = await client.json<ImageMountEntry>('POST', path, { query: { image } });
  try {
    await body(Path);
  } finally {
    const wasThere = before.some((entry) => entry.Id === image);
    if (!wasThere) await client.send('DELETE', path, { query: { image } });
  }
}
