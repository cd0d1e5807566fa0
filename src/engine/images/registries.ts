import type { Descriptor, Platform } from '../../oci/descriptor.ts';
import type { Reference } from '../../oci/reference.ts';
import type { RegistryAuth } from './images.ts';

/** What the API asks registries for beside images. The registry client is one. */
export interface RegistryAccess {
  /**
   * Checks credentials for a server as users write it (`host:5000`, `https://index.docker.io/v1/`, empty for Docker
   * Hub). Throws `unauthorized` in Docker's words when it refuses. An empty `identityToken`: it gives none.
   */
  checkLogin(server: string, auth: RegistryAuth, signal: AbortSignal): Promise<{ identityToken: string }>;
  /** Searches Docker Hub or the registry that `term` begins with; `limit` 0 means the registry's usual 25. */
  search(
    term: string,
    options: { limit: number; auth?: RegistryAuth; signal: AbortSignal },
  ): Promise<FoundRepository[]>;
  /** What a reference names at its registry. Throws `not-found`, `unauthorized` or `unavailable`. */
  inspect(
    ref: Reference,
    options: { auth?: RegistryAuth; signal: AbortSignal },
  ): Promise<{ descriptor: Descriptor; platforms: readonly Platform[] }>;
}

export interface FoundRepository {
  readonly name: string;
  readonly description: string;
  readonly stars: number;
  readonly official: boolean;
}
