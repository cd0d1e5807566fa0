import type { Descriptor } from '../../../oci/descriptor.ts';
import type { Reference } from '../../../oci/reference.ts';
import { canonicalString } from '../../../oci/reference.ts';
import { defineCommand } from '../../command.ts';
import type { Console } from '../../console.ts';
import { CommandFailure } from '../../failure.ts';
import { flag } from '../../flags/flag.ts';
import { toggle } from '../../flags/kinds.ts';
import { listDocument } from '../../manifest/list-document.ts';
import { manifestReference } from '../../manifest/manifest-reference.ts';
import { ManifestRegistry } from '../../manifest/manifest-registry.ts';
import { ManifestStore } from '../../manifest/manifest-store.ts';
import { bytesOf, type StoredManifest } from '../../manifest/stored-manifest.ts';
import { insecureRegistry } from '../shared-flags.ts';

export const command = defineCommand({
  name: 'inspect',
  summary: 'Display an image manifest, or a manifest list',
  description: `A local list comes before what the registry has. With a local list and an image of it: that image's
manifest, with what annotate said of it.`,
  usage: '[OPTIONS] [MANIFEST_LIST] MANIFEST',
  args: { min: 1, max: 2 },
  completes: 'none',
  offline: true,
  flags: {
    insecure: insecureRegistry,
    verbose: flag(toggle, { short: 'v', help: 'Show platforms, and of each image of a list its manifest' }),
  },
  async run(context, flags, args) {
    const { console } = context;
    const { verbose } = flags;
    const store = new ManifestStore(context.configDir);
    const ref = manifestReference(args.at(-1)!);
    if (args.length === 2) {
      const found = store.find(manifestReference(args[0]!), ref);
      if (found === undefined) throw new CommandFailure(`No such manifest: ${canonicalString(ref)}`);
      printImage(console, found, verbose);
      return 0;
    }
    const local = store.list(ref);
    if (local !== undefined) {
      if (verbose) printJson(console, local);
      else
        printList(
          console,
          local.map((image) => image.Descriptor),
        );
      return 0;
    }
    await printRemote(console, new ManifestRegistry(context, flags.insecure), ref, verbose);
    return 0;
  },
});

async function printRemote(
  console: Console,
  registry: ManifestRegistry,
  ref: Reference,
  verbose: boolean,
): Promise<void> {
  const found = await registry.get(ref);
  if (found.kind === 'image') return printImage(console, found.manifest, verbose);
  if (!verbose) return printList(console, found.entries);
  const entries: StoredManifest[] = [];
  for (const entry of found.entries) entries.push(await registry.entry(ref, entry));
  printJson(console, entries);
}

function printImage(console: Console, image: StoredManifest, verbose: boolean): void {
  printJson(console, verbose ? image : JSON.parse(new TextDecoder().decode(bytesOf(image))));
}

function printList(console: Console, entries: readonly Descriptor[]): void {
  console.out(`${listDocument(entries).text}\n`);
}

function printJson(console: Console, value: unknown): void {
  console.out(`${JSON.stringify(value, undefined, '\t')}\n`);
}
