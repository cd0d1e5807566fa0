import type { ProgressMessage } from '../../wire/errors.ts';
import type { Console } from '../console.ts';
import type { CommandContext } from '../context.ts';
import { splitReference } from '../reference.ts';
import { registryAuth } from '../registry-auth.ts';
import { showProgress } from './progress.ts';

export interface PullOptions {
  readonly image: string;
  readonly platform: string;
  readonly allTags?: boolean;
  readonly console: Console;
  /** Draw bars; else one line a change of state. */
  readonly terminal: boolean;
}

/** Pulls an image and shows the progress. @throws Error with the daemon's words. */
export async function pullImage(context: CommandContext, options: PullOptions): Promise<void> {
  const { repository, tag, digest } = splitReference(options.image);
  const wanted = digest !== '' ? digest : tag !== '' ? tag : options.allTags ? undefined : 'latest';
  const messages = context.client.messages<ProgressMessage>('POST', '/images/create', {
    query: { fromImage: repository, tag: wanted, platform: options.platform || undefined },
    headers: { 'X-Registry-Auth': await registryAuth(context, repository) },
  });
  await showProgress(messages, options.console, options.terminal);
}
