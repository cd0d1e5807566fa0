import { existsSync, readdirSync } from 'node:fs';
import { type ErofsProgram, erofsUtils } from '../../../scripts/images/erofs-utils.ts';
import { must } from '../command.ts';

/** Layers' entries below a snapshotter's root. */
export function layerEntries(root: string): string[] {
  const layers = `${root}/layers`;
  return existsSync(layers) ? readdirSync(layers).map((name) => `${layers}/${name}`) : [];
}

/** Lets `fsck.erofs` of erofs-utils 1.8 read an entry's index and all contents. Throws with what it says. */
export async function fsckEntry(entry: string): Promise<void> {
  await erofs('fsck.erofs', '--extract', `--device=${entry}/tar`, `${entry}/index`);
}

/** Runs one of the erofs-utils. */
export async function erofs(program: ErofsProgram, ...args: string[]): Promise<string> {
  const argv = await erofsUtils();
  return must([...argv(program), ...args]);
}
