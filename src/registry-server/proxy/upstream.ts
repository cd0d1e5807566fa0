import type { Page, ReferrerDescriptor, Slice } from '../registry-server.ts';

/**
 * Another registry, as a pull-through cache needs it. Undefined or an empty answer: it says that it has no such thing.
 * Throws `unavailable` or `timeout` when it cannot be asked, `unauthorized` and `forbidden` when it refuses.
 */
export interface Upstream {
  /** 'unchanged': the reference still names the digest `known`. */
  manifest(
    repository: string,
    reference: string,
    known: string | undefined,
  ): Promise<UpstreamManifest | 'unchanged' | undefined>;
  /** Bytes from `offset` on. */
  blob(repository: string, digest: string, offset: number): Promise<UpstreamBlob | undefined>;
  tags(repository: string, page: Page): Promise<Slice | undefined>;
  referrers(repository: string, subject: string): Promise<readonly ReferrerDescriptor[]>;
}

export interface UpstreamManifest {
  readonly mediaType: string | undefined;
  readonly bytes: Uint8Array;
}

export interface UpstreamBlob {
  /** Of the whole blob; undefined when it does not say. */
  readonly size: number | undefined;
  /** Where its bytes begin: 0 when it does not know ranges. */
  readonly offset: number;
  body(): AsyncIterable<Uint8Array>;
  /** Instead of reading. */
  discard(): void;
}
