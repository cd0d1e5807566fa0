import { canonicalString } from '../../../oci/reference.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { manifestReference } from '../../manifest/manifest-reference.ts';
import { ManifestRegistry } from '../../manifest/manifest-registry.ts';
import { ManifestStore } from '../../manifest/manifest-store.ts';
import { insecureRegistry } from '../shared-flags.ts';

export const command = defineCommand({
  name: 'create',
  summary: 'Create a local manifest list for annotating and pushing to a registry',
  usage: '[OPTIONS] MANIFEST_LIST MANIFEST [MANIFEST...]',
  args: { min: 2 },
  completes: 'none',
  offline: true,
  flags: {
    amend: flag(toggle, { short: 'a', help: 'Add to a list that exists' }),
    insecure: insecureRegistry,
  },
  async run(context, flags, args) {
    const list = manifestReference(args[0]!, `error parsing name for manifest list ${args[0]}: `);
    const images = args.slice(1).map((name) => manifestReference(name));
    const store = new ManifestStore(context.configDir);
    if (store.list(list) !== undefined && !flags.amend) {
      throw new CommandFailure('refusing to amend an existing manifest list with no --amend flag');
    }
    const registry = new ManifestRegistry(context, flags.insecure);
    for (const image of images) {
      store.save(list, image, store.find(list, image) ?? (await registry.image(image)));
    }
    context.console.out(`Created manifest list ${canonicalString(list)}\n`);
    return 0;
  },
});
