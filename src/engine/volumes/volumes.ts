/** Named and anonymous volumes of the local driver. Unknown: `not-found` with `get NAME: no such volume`. */
export interface VolumeService {
  get(name: string): Volume;
  find(name: string): Volume | undefined;
  list(): Volume[];
  /**
   * Creates it, or returns the one of that name. An empty name: a random one, marked anonymous. `claim`: id of the
   * container that an anonymous one is made for; where a crash leaves no such container, the volume goes as well.
   */
  create(request: CreateVolume, claim?: string): Promise<Volume>;
  /** An anonymous volume that was made for a container outlives it from now on. */
  unclaim(name: string): void;
  /** Throws `conflict` with `remove NAME: volume is in use - [IDS]`. */
  remove(name: string, force: boolean): Promise<void>;
  prune(matches: (volume: Volume) => boolean): Promise<{ deleted: string[]; reclaimed: number }>;
}

export interface Volume {
  readonly name: string;
  readonly driver: string;
  /** Absolute path on the host. */
  readonly mountpoint: string;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
  readonly anonymous: boolean;
}

export interface CreateVolume {
  readonly name: string;
  readonly driver: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly options: Readonly<Record<string, string>>;
}
