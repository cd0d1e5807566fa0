import { mkdirSync } from 'node:fs';
import type { ContainerCreateResponse } from '../../wire/containers.ts';
import type { HttpResponse } from '../client/http.ts';
import { saveBody } from '../commands/archive-files.ts';
import { containerPath } from '../commands/each.ts';
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
  await withFiles(context, image.id, async (request) => {
    if (type === 'tar') return await saveBody(context, file, 'write the files', request);
    mkdirSync(dest, { recursive: true });
    const { unpackLocal } = await import('../../archive/rooted/local-copy.ts');
    await unpackLocal(dest, (await request()).body, (name) => name);
  });
}

/** Gives the files of an image as a tar: those of a container that never runs and is gone afterwards. */
async function withFiles(
  context: CommandContext,
  image: string,
  body: (request: () => Promise<HttpResponse>) => Promise<void>,
): Promise<void> {
  const { client } = context;
  const { Id } = await client.json<ContainerCreateResponse>('POST', '/containers/create', {
    // It needs some command; images from scratch have none.
    json: { Image: image, Cmd: ['/'], Entrypoint: [] },
  });
  try {
    await body(() => client.request('GET', containerPath(Id, '/export')));
  } finally {
    await client.send('DELETE', containerPath(Id, ''), { query: { force: '1', v: '1' } });
  }
}
