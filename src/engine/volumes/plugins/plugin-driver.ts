import type { DriverEntry, DriverVolume, VolumeDriver } from '../volume-driver.ts';
import { BRIEF, callPlugin, LONG, type Patience } from './plugin-client.ts';
import type { PluginAddress } from './plugin-finder.ts';

/** A volume driver behind Docker's plugin protocol v1 (docs.docker.com/engine/extend/plugins_volume). */
export class PluginDriver implements VolumeDriver {
  readonly name: string;
  readonly scope: 'local' | 'global';
  readonly #address: PluginAddress;

  private constructor(name: string, address: PluginAddress, scope: 'local' | 'global') {
    this.name = name;
    this.#address = address;
    this.scope = scope;
  }

  /** Shakes hands. Undefined: the plugin is there but has no volumes. */
  static async activate(name: string, address: PluginAddress): Promise<PluginDriver | undefined> {
    const { Implements } = await callPlugin(address, 'Plugin.Activate', {}, BRIEF);
    if (!Array.isArray(Implements) || !Implements.includes('VolumeDriver')) return undefined;
    // Plugins of the first days do not know the question.
    const answer = await callPlugin(address, 'VolumeDriver.Capabilities', {}, BRIEF).catch(() => ({}));
    const scope = (answer as { Capabilities?: { Scope?: string } }).Capabilities?.Scope;
    return new PluginDriver(name, address, scope?.toLowerCase() === 'global' ? 'global' : 'local');
  }

  #call(method: string, body: Record<string, unknown>, patience: Patience) {
    return callPlugin(this.#address, `VolumeDriver.${method}`, body, patience);
  }

  async create({ name, options }: DriverVolume): Promise<void> {
    await this.#call('Create', { Name: name, Opts: options }, LONG);
  }

  async remove({ name }: DriverVolume): Promise<() => Promise<void>> {
    await this.#call('Remove', { Name: name }, LONG);
    return async () => {};
  }

  async get(name: string): Promise<DriverEntry | undefined> {
    try {
      const { Volume } = await this.#call('Get', { Name: name }, BRIEF);
      return entryOf(Volume) ?? { name, mountpoint: '' };
    } catch (error) {
      // The protocol has no code for "not there": whoever does not answer, throws the next call.
      if (error instanceof Error && 'kind' in error && error.kind === 'internal') return undefined;
      throw error;
    }
  }

  async list(): Promise<DriverEntry[]> {
    const { Volumes } = await this.#call('List', {}, BRIEF);
    return Array.isArray(Volumes) ? Volumes.flatMap((volume) => entryOf(volume) ?? []) : [];
  }

  async mount({ name }: DriverVolume, user: string): Promise<string> {
    const { Mountpoint } = await this.#call('Mount', { Name: name, ID: user }, LONG);
    if (typeof Mountpoint === 'string' && Mountpoint.startsWith('/')) return Mountpoint;
    throw new Error(`VolumeDriver.Mount: the plugin ${this.name} names no mountpoint`);
  }

  async unmount({ name }: DriverVolume, user: string): Promise<void> {
    await this.#call('Unmount', { Name: name, ID: user }, LONG);
  }

  /** Where it is mounted; empty while it is not. */
  async path(name: string): Promise<string> {
    const { Mountpoint } = await this.#call('Path', { Name: name }, BRIEF);
    return typeof Mountpoint === 'string' ? Mountpoint : '';
  }
}

function entryOf(value: unknown): DriverEntry | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const { Name, Mountpoint, CreatedAt, Status } = value as Record<string, unknown>;
  if (typeof Name !== 'string' || Name === '') return undefined;
  const createdAt = typeof CreatedAt === 'string' ? Date.parse(CreatedAt) : Number.NaN;
  return {
    name: Name,
    mountpoint: typeof Mountpoint === 'string' ? Mountpoint : '',
    ...(createdAt > 0 && { createdAt }),
    ...(typeof Status === 'object' && Status !== null && { status: Status as Record<string, unknown> }),
  };
}
