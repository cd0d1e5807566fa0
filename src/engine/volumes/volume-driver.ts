/**
 * Where volumes lie. The store (volume-store.ts) knows which volumes there are, what they are called and who uses
 * them; a driver makes a place for each and brings it into reach.
 *
 * Example: `create({ name: 'db', options: { type: 'nfs', … } })` makes an empty place; `mount(…, 'c1')` mounts the
 * share there and returns the path; `mount(…, 'c2')` finds it mounted; the share goes after both have called `unmount`.
 */
export interface VolumeDriver {
  readonly name: string;
  /** `global`: other machines see the same volumes. */
  readonly scope: 'local' | 'global';
  /** Throws `invalid` for options that it does not know, before anything is made. */
  create(volume: DriverVolume): Promise<void>;
  /** Takes the volume out of reach; the returned function then deletes what it held, which may take long. */
  remove(volume: DriverVolume): Promise<() => Promise<void>>;
  /** What the driver knows of it; undefined: nothing. */
  get(name: string): Promise<DriverEntry | undefined>;
  list(): Promise<DriverEntry[]>;
  /** Brings it into reach for `user` and returns its path; once more for the same user changes nothing. */
  mount(volume: DriverVolume, user: string): Promise<string>;
  /** `user` needs it no longer. Unknown users are fine. */
  unmount(volume: DriverVolume, user: string): Promise<void>;
}

/** A volume as its driver is told of it. */
export interface DriverVolume {
  readonly name: string;
  readonly options: Readonly<Record<string, string>>;
}

/** A volume as its driver tells of it. */
export interface DriverEntry {
  readonly name: string;
  /** Absolute path on the host; empty while there is none. */
  readonly mountpoint: string;
  /** Milliseconds since the epoch; undefined: unknown. */
  readonly createdAt?: number;
  readonly status?: Readonly<Record<string, unknown>>;
}
