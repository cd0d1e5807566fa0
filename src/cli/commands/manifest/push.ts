import { digestOf } from '../../../oci/digest.ts';
import {
  canonicalName,
  canonicalString,
  parseReference,
  type Reference,
  sameRepository,
  withDigest,
  withoutTag,
} from '../../../oci/reference.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { listDocument } from '../../manifest/list-document.ts';
import { manifestReference } from '../../manifest/manifest-reference.ts';
import { ManifestRegistry, mountImage } from '../../manifest/manifest-registry.ts';
import { ManifestStore } from '../../manifest/manifest-store.ts';
import type { StoredManifest } from '../../manifest/stored-manifest.ts';
import { insecureRegistry } from '../shared-flags.ts';

export const command = defineCommand({
  name: 'push',
  summary: 'Push a manifest list to a repository',
  description: `Its images have to be in the same registry; those of other repositories are mounted into the list's.`,
  usage: '[OPTIONS] MANIFEST_LIST',
  args: { min: 1, max: 1 },
  completes: 'none',
  offline: true,
  flags: {
    insecure: insecureRegistry,
    purge: flag(toggle, { short: 'p', help: 'Remove the local list after the push' }),
  },
  async run(context, flags, args) {
    const list = manifestReference(args[0]!);
    const store = new ManifestStore(context.configDir);
    const images = store.list(list);
    if (images === undefined || images.length === 0) {
      throw new CommandFailure(`No such manifest: ${canonicalString(list)}`);
    }
    for (const image of images) checkImage(list, image);
    const { mediaType, text } = listDocument(images.map((image) => image.Descriptor));
    const push = await new ManifestRegistry(context, flags.insecure).push(list);
    for (const image of images) {
      const ref = parseReference(image.Ref);
      if (sameRepository(ref, list)) continue;
      const digest = await mountImage(push, ref, image);
      const name = canonicalString(withDigest(withoutTag(list), digest));
      context.console.out(`Pushed ref ${name} with digest: ${digest}\n`);
    }
    const bytes = new TextEncoder().encode(text);
    await push.manifest(list.tag ?? digestOf(bytes), mediaType, bytes);
    context.console.out(`${digestOf(bytes)}\n`);
    if (flags.purge) store.remove(list);
    return 0;
  },
});

function checkImage(list: Reference, image: StoredManifest): void {
  const { platform } = image.Descriptor;
  if (!platform?.architecture || !platform.os) {
    throw new CommandFailure(
      `manifest ${image.Ref} must have an OS and Architecture to be pushed to a registry`,
    );
  }
  const ref = parseReference(image.Ref);
  if (ref.domain !== list.domain) {
    throw new CommandFailure(
      `cannot use source images from a different registry than the target image: ${ref.domain} != ${list.domain}` +
        ` (push ${canonicalName(ref)} to ${list.domain} first)`,
    );
  }
}
