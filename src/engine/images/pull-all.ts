import { familiarString, type Reference, withTag } from '../../oci/reference.ts';
import type { RegistryReader } from '../../registry-client/registry-client.ts';
import type { ProgressEvent, PullOptions } from './images.ts';
import { type PullParts, pullImage } from './pull.ts';

/**
 * Pulls every tag of a repository, one after another: what they share comes once. The first that fails ends it, as in
 * dockerd; those before stay.
 */
export async function pullAllTags(
  repository: Reference,
  options: PullOptions,
  parts: PullParts & { readonly registry: RegistryReader },
): Promise<void> {
  const { auth, signal } = options;
  const tags = await parts.registry.listTags(repository, {
    ...(auth === undefined ? {} : { auth }),
    signal,
  });
  let newer = false;
  const report = (event: ProgressEvent): void => {
    // Each image says so; all together say it once.
    if (event.status?.startsWith('Status: ')) newer ||= event.status.startsWith('Status: Downloaded');
    else options.report(event);
  };
  for (const tag of tags) await pullImage(withTag(repository, tag), { ...options, report }, parts);
  const words = newer ? 'Downloaded newer image for' : 'Image is up to date for';
  options.report({ status: `Status: ${words} ${familiarString(repository)}` });
}
