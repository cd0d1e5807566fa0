import { join } from 'node:path';
import { REGISTRY_CONTROL_SOCKET, type RegistryCollection } from '../../../wire/registry-settings.ts';
import { defineCommand } from '../../command.ts';
import { CommandFailure } from '../../failure.ts';
import { humanSize } from '../../format/size.ts';
import { ROOT_FLAGS, rootSettingsOf } from './flags.ts';

export const command = defineCommand({
  name: 'gc',
  summary: 'Remove what no image of a registry needs',
  description:
    'Asks the server that runs on the folder, whose own settings then count, or does it itself when none runs. Pushes and pulls go on meanwhile.',
  usage: '[OPTIONS]',
  args: { min: 0, max: 0 },
  flags: ROOT_FLAGS,
  offline: true,
  async run({ console, registryServer }, flags) {
    if (registryServer === undefined) throw new CommandFailure('this program has no registry server');
    const report =
      (await askServer(join(flags.root, REGISTRY_CONTROL_SOCKET))) ??
      (await (await registryServer()).collectRegistry(rootSettingsOf(flags)));
    console.out(
      `Removed ${report.blobs} blobs, ${report.links} links, ${report.manifests} manifests\nFreed: ${humanSize(report.bytes)}\n`,
    );
    return 0;
  },
});

/** The report of the running server; undefined when none answers. */
async function askServer(path: string): Promise<RegistryCollection | undefined> {
  let response: Response;
  try {
    response = await fetch('http://registry/gc', {
      unix: path,
      method: 'POST',
      timeout: false,
      proxy: false,
    });
  } catch {
    return undefined;
  }
  if (!response.ok) throw new CommandFailure(`the registry's server: ${await response.text()}`);
  return (await response.json()) as RegistryCollection;
}
