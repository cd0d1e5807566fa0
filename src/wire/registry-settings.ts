/** What a registry's root needs to be opened. */
export interface RegistryRootSettings {
  readonly root: string;
  /** What is younger is not collected, in milliseconds. */
  readonly collectGrace: number;
  readonly collectUntagged: boolean;
}

/** How a registry server is set up: what `tare registry serve` hands from the command line to the server. */
export interface RegistrySettings extends RegistryRootSettings {
  /** `host:port`, `:port`. */
  readonly address: string;
  readonly tlsCertificate: string;
  readonly tlsKey: string;
  /** File of users with bcrypt hashes. */
  readonly htpasswd: string;
  /** JSON file of rights by repository. */
  readonly authConfig: string;
  readonly tokenRealm: string;
  readonly tokenService: string;
  readonly tokenIssuer: string;
  /** Files of public keys: PEM keys, PEM certificates, JWK sets. */
  readonly tokenKeys: readonly string[];
  readonly readOnly: boolean;
  readonly deletes: boolean;
  /** Bytes. */
  readonly maxUploadSize: number;
  /** Bytes. */
  readonly maxManifestSize: number;
  /** Milliseconds. */
  readonly uploadExpiry: number;
  /** Between rounds of the garbage collector, in milliseconds; 0: only when asked. */
  readonly collectEvery: number;
  /** `HOST=URL`. */
  readonly proxies: readonly string[];
  /** Bytes of all caches together; 0: any. */
  readonly proxyCacheSize: number;
  readonly metricsAddress: string;
  readonly logLevel: string;
}

/** Name of the socket in a registry's root on which its server takes `POST /gc`. */
export const REGISTRY_CONTROL_SOCKET = 'control.sock';

/** What a round of garbage collection did. */
export interface RegistryCollection {
  readonly manifests: number;
  readonly links: number;
  readonly blobs: number;
  /** Freed. */
  readonly bytes: number;
  readonly milliseconds: number;
}

/** What the command line needs of the server, which it does not contain. */
export interface RegistryServer {
  serveRegistry(settings: RegistrySettings): Promise<number>;
  collectRegistry(settings: RegistryRootSettings): Promise<RegistryCollection>;
}
