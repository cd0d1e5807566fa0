/**
 * Named and anonymous volumes of all drivers. A volume that has a row is *known*: `find`, `get` and `list` tell of it
 * without asking its driver. Unknown: `not-found` with `get NAME: no such volume`.
 */
export interface VolumeService {
  get(name: string): Volume;
  find(name: string): Volume | undefined;
  list(): Volume[];
  /** One volume with what its driver says of it, also one that only a driver knows. */
  inspect(name: string): Promise<Volume>;
  /** All volumes of all drivers. `warnings`: drivers that did not answer. */
  listAll(): Promise<{ volumes: Volume[]; warnings: string[] }>;
  /**
   * Creates it, or returns the one of that name. An empty name: a random one, marked anonymous; an empty driver: the
   * one it has, else `local`. Throws `conflict` when another driver has the name.
   */
  create(request: CreateVolume): Promise<Volume>;
  /**
   * `create` for a container that is being made: until `release`, its volumes cannot be removed. An anonymous one
   * belongs to it: where a crash leaves no such container, the volume goes as well.
   */
  acquire(request: CreateVolume, container: string): Promise<{ volume: Volume; created: boolean }>;
  /** The container has its row now, or will never have one. */
  release(container: string): void;
  /** An anonymous volume that was made for a container outlives it from now on. */
  unclaim(name: string): void;
  /** Throws `conflict` with `remove NAME: volume is in use - [IDS]`. */
  remove(name: string, force: boolean): Promise<void>;
  /** Local volumes only. */
  prune(matches: (volume: Volume) => boolean): Promise<{ deleted: string[]; reclaimed: number }>;
  /** Brings its content into reach for a container and returns the path on the host. */
  mount(name: string, container: string): Promise<string>;
  /** The container needs it no longer. A volume that is gone is fine. */
  unmount(name: string, container: string): Promise<void>;
}

export interface Volume {
  readonly name: string;
  readonly driver: string;
  readonly scope: 'local' | 'global';
  /** Absolute path on the host; empty while the driver has none. */
  readonly mountpoint: string;
  /** Milliseconds since the epoch; 0: the driver does not tell. */
  readonly createdAt: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly anonymous: boolean;
  /** What its driver says of it. */
  readonly status?: Readonly<Record<string, unknown>>;
}

export interface CreateVolume {
  readonly name: string;
  readonly driver: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
}
