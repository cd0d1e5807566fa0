/** Body of `POST /tare/registry`: how the engine's images shall be served. Paths are the daemon's. */
export interface EngineRegistryRequest {
  /** `host:port`, `:port`. */
  readonly address: string;
  readonly tlsCertificate: string;
  readonly tlsKey: string;
  readonly htpasswd: string;
  readonly authConfig: string;
}

/** A line of its answer. */
export interface EngineRegistryMessage {
  /** The first: where it listens. */
  readonly ready?: { readonly address: string };
  /** Of its log. */
  readonly line?: string;
}
