import { mkdirSync } from 'node:fs';
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
  const files = () => context.client.request('GET', '/tare/build/files', { query: { image: image.id } });
  if (type === 'tar') return await saveBody(context, file, 'write the files', files);
  mkdirSync(dest, { recursive: true });
  const { unpackLocal } = await import('../../archive/rooted/local-copy.ts');
  await unpackLocal(dest, (await files()).body, (name) => name);
}
