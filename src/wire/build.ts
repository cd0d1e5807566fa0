/** Answer to `POST /tare/build/contexts`, whose body is a line of JSON (an array of entries) for each batch. */
export interface SentContextResponse {
  readonly Id: string;
  /** Positions and digests of the files to send to `/tare/build/files?id=…`. */
  readonly Wanted: ReadonlyArray<readonly [index: number, digest: string]>;
}

/** Body of `POST /tare/build/requests`: what Docker's parameters of a build have no room for. */
export interface BuildExtrasBody {
  /** Id of a context that was sent; without it, it is the body of the build's request. */
  readonly Context?: string;
  readonly Contexts?: Readonly<Record<string, { readonly Context?: string; readonly Image?: string }>>;
  readonly Dockerfile?: { readonly Name: string; readonly Text: string };
  /** Values in base64. */
  readonly Secrets?: Readonly<Record<string, string>>;
  /** Paths of agents' sockets on the daemon's machine. */
  readonly SSH?: Readonly<Record<string, string>>;
  readonly NoCacheFilter?: readonly string[];
  readonly CacheTo?: {
    /** The image gets the records of its own layers. */
    readonly Inline?: boolean;
    /** Makes an image of records: of its own layers, or of all steps. Its id is in the `aux` message as `TareCache`. */
    readonly Mode?: 'min' | 'max';
  };
}

/** Answer to it; `tarerequest=ID` goes with the build's request. */
export interface BuildExtrasResponse {
  readonly Id: string;
}

/** With `tareevents=1`, member `tare` of an extra message for each event. */
export type BuildEventMessage =
  | {
      readonly kind: 'vertex';
      readonly id: string;
      readonly name: string;
      readonly inputs: readonly string[];
      /** Milliseconds since the epoch. */
      readonly started?: number;
      readonly completed?: number;
      readonly cached?: boolean;
      readonly error?: string;
    }
  | {
      readonly kind: 'log';
      readonly vertex: string;
      readonly stream: 'stdout' | 'stderr';
      /** Base64. */
      readonly data: string;
    }
  | {
      readonly kind: 'status';
      readonly vertex: string;
      readonly id: string;
      readonly name: string;
      readonly current: number;
      readonly total: number;
    }
  | { readonly kind: 'warning'; readonly text: string; readonly rule?: string; readonly line?: number };
