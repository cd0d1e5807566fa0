import { messageOf, TareError } from '../../../base/errors.ts';
import type { VolumeDriver } from '../volume-driver.ts';
import { PluginDriver } from './plugin-driver.ts';
import { findPlugin, pluginNames } from './plugin-finder.ts';

/** The volume drivers that plugins are, found when they are asked for and remembered once they have answered. */
export class PluginDrivers {
  readonly #folders: readonly string[];
  readonly #active = new Map<string, PluginDriver>();

  constructor(folders: readonly string[]) {
    this.#folders = folders;
  }

  /** Throws `not-found` in dockerd's words, or what its plugin answers. */
  async get(name: string): Promise<VolumeDriver> {
    const active = this.#active.get(name);
    if (active !== undefined) return active;
    const unknown = `plugin "${name}" not found`;
    const address = findPlugin(this.#folders, name);
    if (address === undefined) throw new TareError('not-found', unknown);
    const driver = await PluginDriver.activate(name, address);
    if (driver === undefined)
      throw new TareError('not-found', `plugin "${name}" does not implement "VolumeDriver"`);
    this.#active.set(name, driver);
    return driver;
  }

  /** All that are there. `warnings`: those that do not answer. */
  async all(): Promise<{ drivers: VolumeDriver[]; warnings: string[] }> {
    const drivers: VolumeDriver[] = [];
    const warnings: string[] = [];
    await Promise.all(
      pluginNames(this.#folders).map(async (name) => {
        try {
          drivers.push(await this.get(name));
        } catch (error) {
          if (!/does not implement/.test(messageOf(error))) warnings.push(`${name}: ${messageOf(error)}`);
        }
      }),
    );
    return { drivers, warnings };
  }

  /** Names of all plugins that are there, whether they answer or not. */
  names(): string[] {
    return pluginNames(this.#folders);
  }
}
