import { familiarName, type Reference } from '../../oci/reference.ts';
import type { ProgressMessage } from '../../wire/errors.ts';
import type { Console } from '../console.ts';
import type { CommandContext } from '../context.ts';
import { registryAuth } from '../registry-auth.ts';
import { showProgress } from './progress.ts';

export interface PushOptions {
  /** Without a tag: all tags of the repository. */
  readonly reference: Reference;
  /** Platform in JSON. */
  readonly platform?: string | undefined;
  readonly console: Console;
  /** Draw bars; else one line a change of state. */
  readonly terminal: boolean;
}

/** Pushes an image and shows the progress. @returns the digest of what was pushed last. @throws Error with the daemon's words. */
export async function pushImage(context: CommandContext, options: PushOptions): Promise<string | undefined> {
  const { reference, platform, console, terminal } = options;
  const repository = familiarName(reference);
  const messages = context.client.messages<ProgressMessage>('POST', `/images/${repository}/push`, {
    query: { tag: reference.tag, platform },
    headers: { 'X-Registry-Auth': await registryAuth(context, repository) },
  });
  let digest: string | undefined;
  await showProgress(messages, console, terminal, (aux) => {
    digest = (aux as { Digest?: string }).Digest ?? digest;
  });
  return digest;
}
