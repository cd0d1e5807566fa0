import type { Platform } from '../../../oci/descriptor.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { strings, text } from '../../flags/kinds.ts';
import { isKnownPlatform } from '../../manifest/list-document.ts';
import { manifestReference } from '../../manifest/manifest-reference.ts';
import { ManifestStore } from '../../manifest/manifest-store.ts';

export const command = defineCommand({
  name: 'annotate',
  summary: 'Say what platform an image of a local manifest list is for',
  usage: '[OPTIONS] MANIFEST_LIST MANIFEST',
  args: { min: 2, max: 2 },
  completes: 'none',
  offline: true,
  flags: {
    arch: flag(text, { help: 'Set the architecture' }),
    os: flag(text, { help: 'Set the operating system' }),
    'os-features': flag(strings, { help: 'Add features of the operating system' }),
    'os-version': flag(text, { help: 'Set the version of the operating system' }),
    variant: flag(text, { help: "Set the architecture's variant" }),
  },
  async run(context, flags, args) {
    const [listName = '', imageName = ''] = args;
    const list = manifestReference(listName, `annotate: error parsing name for manifest list ${listName}: `);
    const image = manifestReference(imageName, `annotate: error parsing name for manifest ${imageName}: `);
    const store = new ManifestStore(context.configDir);
    const manifest = store.find(list, image);
    if (manifest === undefined) {
      throw new CommandFailure(`manifest for image ${imageName} does not exist in ${listName}`);
    }
    const platform = annotated(manifest.Descriptor.platform, flags);
    if (!isKnownPlatform(platform.os, platform.architecture)) {
      throw new CommandFailure(
        `manifest entry for image has unsupported os/arch combination: ${platform.os}/${platform.architecture}`,
      );
    }
    store.save(list, image, { ...manifest, Descriptor: { ...manifest.Descriptor, platform } });
    return 0;
  },
});

function annotated(
  before: Platform | undefined,
  flags: {
    arch: string;
    os: string;
    'os-features': readonly string[];
    'os-version': string;
    variant: string;
  },
): Platform {
  const features = [...new Set([...(before?.['os.features'] ?? []), ...flags['os-features']])];
  const version = flags['os-version'] || before?.['os.version'];
  const variant = flags.variant || before?.variant;
  return {
    architecture: flags.arch || (before?.architecture ?? ''),
    os: flags.os || (before?.os ?? ''),
    ...(version ? { 'os.version': version } : {}),
    ...(features.length > 0 ? { 'os.features': features } : {}),
    ...(variant ? { variant } : {}),
  };
}
