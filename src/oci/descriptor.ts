/** An OCI content descriptor (image-spec, descriptor.md): what a blob is, how large, and its digest. */
export interface Descriptor {
  readonly mediaType: string;
  /** `algorithm:hex`, see oci/digest.ts. */
  readonly digest: string;
  /** Bytes. */
  readonly size: number;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly platform?: Platform;
  readonly urls?: readonly string[];
}

/** A platform as OCI image indexes name it. */
export interface Platform {
  readonly os: string;
  readonly architecture: string;
  readonly variant?: string;
  readonly 'os.version'?: string;
  readonly 'os.features'?: readonly string[];
}
