import { canonicalString } from '../../../oci/reference.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure, forEachItem } from '../../failure.ts';
import { manifestReference } from '../../manifest/manifest-reference.ts';
import { ManifestStore } from '../../manifest/manifest-store.ts';

export const command = defineCommand({
  name: 'rm',
  summary: 'Delete one or more local manifest lists',
  usage: 'MANIFEST_LIST [MANIFEST_LIST...]',
  args: { min: 1 },
  completes: 'none',
  offline: true,
  flags: {},
  async run(context, _flags, args) {
    const store = new ManifestStore(context.configDir);
    await forEachItem(args, async (name) => {
      const list = manifestReference(name);
      if (store.list(list) === undefined) {
        throw new CommandFailure(`No such manifest: ${canonicalString(list)}`);
      }
      store.remove(list);
    });
    return 0;
  },
});
