import { isKind, messageOf, TareError } from '../../base/errors.ts';
import type { LocalDriver } from './local-driver.ts';
import type { PluginDrivers } from './plugins/plugin-drivers.ts';
import type { DriverEntry, VolumeDriver } from './volume-driver.ts';
import type { Volume } from './volumes.ts';

/** The local driver and those of plugins, by name. */
export class VolumeDrivers {
  readonly local: LocalDriver;
  readonly #plugins: PluginDrivers;

  constructor(local: LocalDriver, plugins: PluginDrivers) {
    this.local = local;
    this.#plugins = plugins;
  }

  /** An empty name: the local one. `doing` begins the message. Throws `not-found`, … in dockerd's words. */
  async get(name: string, doing: string): Promise<VolumeDriver> {
    if (name === '' || name === this.local.name) return this.local;
    try {
      return await this.#plugins.get(name);
    } catch (error) {
      const kind = error instanceof TareError ? error.kind : 'internal';
      throw new TareError(
        kind,
        `${doing}: error looking up volume plugin ${name}: ${messageOf(error)}`,
        error,
      );
    }
  }

  /** A volume that has no row, where a plugin knows it. */
  async findElsewhere(name: string): Promise<{ driver: VolumeDriver; entry: DriverEntry } | undefined> {
    if (this.#plugins.names().length === 0) return undefined;
    const { drivers } = await this.#plugins.all();
    for (const driver of drivers) {
      const entry = await driver.get(name).catch(() => undefined);
      if (entry !== undefined) return { driver, entry };
    }
    return undefined;
  }

  /**
   * All volumes: the known ones, with what their plugins say of them, and those that only a plugin knows. What a plugin
   * that answers does not list any more is left out. `warnings`: plugins that do not answer.
   */
  async list(known: readonly Volume[]): Promise<{ volumes: Volume[]; warnings: string[] }> {
    if (this.#plugins.names().length === 0) return { volumes: [...known], warnings: [] };
    const { drivers, warnings } = await this.#plugins.all();
    const result = new Map(known.map((volume) => [volume.name, volume]));
    for (const driver of drivers) {
      const entries = await driver.list().catch((error: unknown) => {
        warnings.push(`list ${driver.name}: ${messageOf(error)}`);
        return undefined;
      });
      if (entries === undefined) continue;
      const names = new Set(entries.map(({ name }) => name));
      for (const volume of known) {
        if (volume.driver === driver.name && !names.has(volume.name)) result.delete(volume.name);
      }
      for (const entry of entries) {
        const row = result.get(entry.name);
        // A name that two drivers have is the one's that has the row.
        if (row === undefined || row.driver === driver.name)
          result.set(entry.name, joined(driver, entry, row));
      }
    }
    const volumes = [...result.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
    return { volumes, warnings };
  }

  /** Volume drivers for `info`. */
  names(): string[] {
    return [this.local.name, ...this.#plugins.names()];
  }
}

/** A volume from what its driver and its row say. */
export function joined(driver: VolumeDriver, entry: DriverEntry, row: Volume | undefined): Volume {
  return {
    name: entry.name,
    driver: driver.name,
    scope: driver.scope,
    mountpoint: entry.mountpoint,
    createdAt: entry.createdAt ?? row?.createdAt ?? 0,
    labels: row?.labels ?? {},
    options: row?.options ?? {},
    anonymous: row?.anonymous ?? false,
    ...(entry.status !== undefined && { status: entry.status }),
  };
}

/** True for what a plugin itself said, and for plugins that are gone: not for a fault of the machine. */
export function isPluginFault(error: unknown): boolean {
  return isKind(error, 'internal', 'unavailable', 'timeout', 'not-found');
}
