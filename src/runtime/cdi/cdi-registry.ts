import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf, TareError } from '../../base/errors.ts';
import { type CdiDevice, type CdiEdits, type CdiSpec, parseCdiSpec } from './cdi-spec.ts';

/** Where vendors' files are, in rising precedence. */
export const DEFAULT_CDI_DIRECTORIES = ['/etc/cdi', '/var/run/cdi'];

interface Found {
  readonly spec: CdiSpec;
  readonly device: CdiDevice;
  readonly precedence: number;
  /** Another file of the same directory names it, too: it is neither's. */
  readonly conflict: boolean;
}

/**
 * The devices that the files of some directories describe. The directories are read at each use: they are small, and
 * a file that appears counts at once. A file that is wrong is left out and told in `faults`.
 */
export class CdiRegistry {
  readonly directories: () => readonly string[];

  constructor(directories: () => readonly string[]) {
    this.directories = directories;
  }

  /** Full names of all devices, sorted, and what is wrong with files. */
  list(): { devices: string[]; faults: string[] } {
    const { devices, faults } = this.#read();
    const names = [...devices].filter(([, found]) => !found.conflict).map(([name]) => name);
    return { devices: names.sort(), faults };
  }

  /**
   * The edits of these devices, those of a device's file before its own and those of a file once. Throws `invalid` in
   * the words of Docker and the CDI library.
   */
  edits(names: readonly string[]): CdiEdits[] {
    const { devices } = this.#read();
    const missing = names.filter((name) => devices.get(name)?.conflict !== false);
    if (missing.length > 0) {
      throw new TareError(
        'invalid',
        `CDI device injection failed: unresolvable CDI devices ${missing.join(', ')}`,
      );
    }
    const result: CdiEdits[] = [];
    const specs = new Set<CdiSpec>();
    for (const name of names) {
      const { spec, device } = devices.get(name)!;
      if (!specs.has(spec) && spec.containerEdits) result.push(spec.containerEdits);
      specs.add(spec);
      result.push(device.containerEdits ?? {});
    }
    return result;
  }

  #read(): { devices: Map<string, Found>; faults: string[] } {
    const devices = new Map<string, Found>();
    const faults: string[] = [];
    for (const [precedence, directory] of this.directories().entries()) {
      for (const name of entriesOf(directory)) {
        const path = join(directory, name);
        try {
          const spec = parseCdiSpec(readFileSync(path, 'utf8'), name.endsWith('.json'));
          for (const device of spec.devices) {
            const full = `${spec.kind}=${device.name}`;
            const other = devices.get(full);
            devices.set(full, { spec, device, precedence, conflict: other?.precedence === precedence });
          }
        } catch (error) {
          faults.push(`failed to load CDI Spec ${path}: ${messageOf(error)}`);
        }
      }
    }
    return { devices, faults };
  }
}

function entriesOf(directory: string): string[] {
  try {
    return readdirSync(directory)
      .filter((name) => /\.(json|ya?ml)$/.test(name))
      .sort();
  } catch {
    // As the CDI library: a directory that is not there has no devices.
    return [];
  }
}
