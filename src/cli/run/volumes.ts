import { resolve } from 'node:path';
import { keyValue } from './csv.ts';

/** What `--volume` and `--tmpfs` ask for. */
export interface VolumeSettings {
  readonly binds: string[];
  /** Anonymous volumes. */
  readonly volumes: Record<string, Record<string, never>>;
  readonly tmpfs: Record<string, string>;
}

/** `.`, `./x` and `../x` are folders of the client; `~` is left for the shell. */
function absoluteSource(spec: string): string {
  const colon = spec.indexOf(':');
  const source = spec.slice(0, colon);
  return source.startsWith('.') ? `${resolve(source)}${spec.slice(colon)}` : spec;
}

/**
 * Sorts the values of `--volume` into binds (a source is named) and anonymous volumes.
 * @throws Error in docker's words.
 */
export function parseVolumes(volumes: readonly string[], tmpfs: readonly string[]): VolumeSettings {
  const settings: VolumeSettings = { binds: [], volumes: {}, tmpfs: {} };
  for (const spec of volumes) {
    if (spec === '') throw new Error('invalid empty volume spec');
    const parts = spec.split(':');
    if (parts.length > 1 && parts.some((part) => part === '')) {
      throw new Error(`invalid spec: ${spec}: empty section between colons`);
    }
    if (parts.length === 1) settings.volumes[spec] = {};
    else settings.binds.push(absoluteSource(spec));
  }
  for (const spec of tmpfs) {
    const colon = spec.indexOf(':');
    settings.tmpfs[colon < 0 ? spec : spec.slice(0, colon)] = colon < 0 ? '' : spec.slice(colon + 1);
  }
  return settings;
}

/** `--storage-opt size=10G`, as a map. */
export function parseStorageOptions(options: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    options.map((option) => {
      const [key, value] = keyValue(option);
      if (value === undefined) throw new Error('invalid storage option');
      return [key, value];
    }),
  );
}

/** `--log-opt max-size=10m`, as a map. */
export function parseLogOptions(driver: string, options: readonly string[]): Record<string, string> {
  if (driver === 'none' && options.length > 0) throw new Error(`invalid logging opts for driver ${driver}`);
  return Object.fromEntries(options.map((option) => keyValue(option).map((part) => part ?? '')));
}
